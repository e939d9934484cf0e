//! The thread of a journal, which alone reads and writes its file.
//!
//! It takes requests in the order in which they were sent. So what an execution was still writing when
//! it was dropped is written before its run begins again. Whatever is stored while the thread is
//! writing waits in the queue, and is then written in one transaction.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::{io, iter};

use crate::error::{JournalError, JournalErrorKind};
use crate::journal::JournaledRun;

use super::store::{Entry, Store};

/// How many requests are handled together at most, which bounds what a transaction holds in memory.
const MOST_AT_ONCE: usize = 4096;

/// What is called with the result of a request.
pub(super) type Reply<T> = Box<dyn FnOnce(Result<T, JournalError>) + Send>;

pub(super) enum Request {
    /// Takes a run. The answer is whether it has records.
    Begin {
        run: Arc<str>,
        /// Which session takes it.
        ticket: u64,
        reply: Reply<bool>,
    },
    Load {
        run: Arc<str>,
        key: String,
        reply: Reply<Option<Vec<u8>>>,
    },
    Store {
        run: Arc<str>,
        key: String,
        record: Vec<u8>,
        reply: Reply<()>,
    },
    /// Gives a run back, if this session has it.
    End {
        run: Arc<str>,
        ticket: u64,
    },
    Runs(Reply<Vec<JournaledRun>>),
    Forget {
        run: Arc<str>,
        reply: Reply<bool>,
    },
}

/// The thread of an open journal. Ends when this is dropped.
pub(super) struct Service {
    name: String,
    /// Present until it is dropped.
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    tickets: AtomicU64,
}

impl Service {
    pub(super) fn start(store: Store) -> io::Result<Self> {
        let (requests, inbox) = channel();
        let name = store.name().to_owned();
        let server = Server {
            store,
            in_use: HashMap::new(),
            writes: Vec::new(),
        };
        let thread = thread::Builder::new().name("asyncflow-journal".into());
        let thread = thread.spawn(move || server.serve(&inbox))?;
        Ok(Self {
            name,
            requests: Some(requests),
            thread: Some(thread),
            tickets: AtomicU64::new(0),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A number that no other session has.
    pub(super) fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends a request. If the thread is gone, its reply is dropped.
    pub(super) fn send(&self, request: Request) {
        if let Some(requests) = &self.requests {
            let _ = requests.send(request);
        }
    }

    /// The error of a request whose reply was dropped.
    pub(super) fn gone(&self) -> JournalError {
        let text = format!("the thread of journal `{}` has ended", self.name);
        JournalError::new(JournalErrorKind::Other, text)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.requests = None;
        // So that the file can be opened again right away. The thread itself may be the last to let go
        // of a task that it wakes.
        if let Some(thread) = self.thread.take() {
            if thread.thread().id() != thread::current().id() {
                // It does not panic.
                let _ = thread.join();
            }
        }
    }
}

/// A record that waits for the next transaction, and who waits for it.
struct Write {
    entry: Entry,
    reply: Reply<()>,
}

struct Server {
    store: Store,
    /// The runs that are being executed, and by which session.
    in_use: HashMap<Arc<str>, u64>,
    writes: Vec<Write>,
}

impl Server {
    fn serve(mut self, inbox: &Receiver<Request>) {
        while let Ok(first) = inbox.recv() {
            for request in iter::once(first).chain(inbox.try_iter().take(MOST_AT_ONCE)) {
                self.handle(request);
            }
            self.flush();
        }
    }

    fn handle(&mut self, request: Request) {
        match request {
            Request::Store {
                run,
                key,
                record,
                reply,
            } => {
                let entry = Entry { run, key, record };
                self.writes.push(Write { entry, reply });
            }
            // An execution does not look for what it stores itself, so this need not be written first.
            Request::Load { run, key, reply } => reply(self.store.load(&run, &key)),
            Request::Begin { run, ticket, reply } => {
                self.flush();
                reply(self.begin(run, ticket));
            }
            Request::End { run, ticket } => {
                if self.in_use.get(&run) == Some(&ticket) {
                    self.in_use.remove(&run);
                }
            }
            Request::Runs(reply) => {
                self.flush();
                reply(self.store.runs());
            }
            Request::Forget { run, reply } => {
                self.flush();
                reply(match self.in_use.contains_key(&run) {
                    true => Err(JournalError::in_use(self.store.name(), &run)),
                    false => self.store.forget(&run),
                });
            }
        }
    }

    fn begin(&mut self, run: Arc<str>, ticket: u64) -> Result<bool, JournalError> {
        if self.in_use.contains_key(&run) {
            return Err(JournalError::in_use(self.store.name(), &run));
        }
        let has_records = self.store.has_records(&run)?;
        self.in_use.insert(run, ticket);
        Ok(has_records)
    }

    /// Writes what waits, in one transaction.
    fn flush(&mut self) {
        if self.writes.is_empty() {
            return;
        }
        let (entries, replies): (Vec<_>, Vec<_>) = self
            .writes
            .drain(..)
            .map(|write| (write.entry, write.reply))
            .unzip();
        let written = self.store.write(&entries);
        for reply in replies {
            reply(written.clone());
        }
    }
}
