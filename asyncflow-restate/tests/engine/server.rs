//! An engine in a process of its own, on free ports of this machine. `ASYNCFLOW_RESTATE_SERVER` says where
//! its program is.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// How long anything may take that is waited for.
const LONG: Duration = Duration::from_secs(60);

/// A process that is killed when it is dropped.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody has, and that no other test is given.
pub(crate) fn port() -> u16 {
    // From anywhere, since other programs may ask at the same time, and below the ports that the system
    // gives to connections.
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
        AtomicU16::new(10_000 + (RandomState::new().hash_one(()) % 20_000) as u16)
    });
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < LONG, "{what} takes too long");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The status of an answer to a request, or 0 if there is none.
fn request(port: u16, method: &str, path: &str, body: &str) -> u16 {
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: \
             application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().unwrap_or_default();
    let status = answer.split(' ').nth(1).unwrap_or_default();
    status.parse().unwrap_or(0)
}

/// An engine in a folder of its own.
pub(crate) struct Engine {
    pub(crate) folder: tempfile::TempDir,
    /// Of the ingress, of the administration, and of the node.
    pub(crate) ports: [u16; 3],
    settings: Vec<(&'static str, &'static str)>,
    process: Option<Process>,
}

impl Engine {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(settings: &[(&'static str, &'static str)]) -> Self {
        let mut engine = Self {
            folder: tempfile::tempdir().unwrap(),
            ports: [port(), port(), port()],
            settings: settings.to_vec(),
            process: None,
        };
        engine.run();
        engine
    }

    pub(crate) fn run(&mut self) {
        let program = env::var("ASYNCFLOW_RESTATE_SERVER");
        let program = program.expect("`scripts/restate.sh` says where the engine's program is");
        let [ingress, admin, node] = self.ports;
        let log = fs::File::create(self.path("log")).unwrap();
        let mut command = Command::new(program);
        command
            .args([
                "--no-logo",
                "--listen-mode",
                "tcp",
                "--bind-ip",
                "127.0.0.1",
            ])
            .args(["--bind-port", &node.to_string(), "--base-dir"])
            .arg(self.path("data"))
            .env("RESTATE_DISABLE_TELEMETRY", "true")
            .env("DO_NOT_TRACK", "1")
            .env(
                "RESTATE_INGRESS__BIND_ADDRESS",
                format!("127.0.0.1:{ingress}"),
            )
            .env("RESTATE_ADMIN__BIND_ADDRESS", format!("127.0.0.1:{admin}"))
            .envs(self.settings.iter().copied())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.process = Some(Process::start(&mut command));
        until("the engine", || {
            request(ingress, "GET", "/restate/health", "") == 200
                && request(admin, "GET", "/health", "") == 200
        });
    }

    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    pub(crate) fn register(&self, port: u16) {
        let body = format!(r#"{{"uri":"http://127.0.0.1:{port}","force":true}}"#);
        until("the registration", || {
            (200..300).contains(&request(self.ports[1], "POST", "/deployments", &body))
        });
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Engine {
    /// Shows what the engine said, if the test fails.
    fn drop(&mut self) {
        if thread::panicking() {
            let log = fs::read_to_string(self.path("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.len().saturating_sub(40);
            eprintln!("the engine's last lines:\n{}", lines[last..].join("\n"));
        }
    }
}
