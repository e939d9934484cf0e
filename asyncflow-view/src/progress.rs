//! A progress bar for a run, by way of the crate `indicatif`.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use asyncflow_core::{Observer, Permits, Structure, TaskRef, TaskStatus};
/// What a progress bar is drawn with.
pub use indicatif;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::lock::lock;
use crate::text::{self, SHORT, clean};

/// How often it is drawn: often enough to look alive, too seldom to flicker or to cost anything.
const TICK: Duration = Duration::from_millis(100);

/// Looking at all tasks may take at most this part of the time.
const SHARE: u32 = 20;

/// How long a task runs before it is shown. Shorter ones would only flash.
const LONG: Duration = Duration::from_millis(500);

/// How many of the tasks that run longest are shown.
const SHOWN: usize = 4;

/// How many failures are written out. The others are counted; the error names them all.
const FAILURES: usize = 20;

/// An observer that draws a progress bar: how many tasks have ended, run, and wait for permits, how
/// much longer it will take, the tasks that run longest, and failures as they happen. It is for one
/// run; clones share it.
///
/// ```
/// use asyncflow_view::progress::Progress;
/// # use asyncflow_core::{Flow, FlowError, doctest::{Inline, block_on}};
/// # let mut flow = Flow::<Inline>::new();
/// # flow.add(|| ());
/// # block_on(async {
/// flow.execute().observe(Progress::new()).await?;
/// # Ok::<(), FlowError>(()) }).unwrap();
/// ```
///
/// ```text
/// task `upload of b` failed: connection reset
/// ⠹ 58/104 [================>             ] 7s gone, 6s to go
///   3 running, 2 waiting for permits, 57 succeeded, 1 failed
///   5.2 s  transcode of a
///   1.1 s  upload of c
/// ```
///
/// It draws to stderr, and nothing at all if that is no terminal. A thread of its own draws, ten
/// times a second at most; tasks only write down when they start and end, each in a node of its
/// own. The time that it takes to go is estimated from the number of tasks that have ended, as if
/// all were alike.
///
/// # Your own lines
///
/// What a program writes to the terminal while a bar is drawn would be mixed up with it. Keep a
/// clone, and write lines with [`println`](Self::println), or anything within
/// [`suspend`](Self::suspend):
///
/// ```
/// # use asyncflow_view::progress::Progress;
/// # use asyncflow_core::{Flow, FlowError, TaskExt, doctest::{Inline, block_on}};
/// # let mut flow = Flow::<Inline>::new();
/// let progress = Progress::new();
/// let lines = progress.clone();
/// flow.add((move || lines.println("halfway there")).named("half"));
/// # block_on(async {
/// flow.execute().observe(progress).await?;
/// # Ok::<(), FlowError>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Progress(Arc<Shared>);

struct Shared {
    multi: MultiProgress,
    /// Empty if nothing is drawn.
    run: OnceLock<Arc<Run>>,
    /// Who draws, while the run goes on.
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Run {
    flow: Structure,
    start: Instant,
    /// For each node what its task does, as a [`State`] and since when. Only its own task writes
    /// there, so no two threads ever wait for each other.
    tasks: Box<[AtomicU64]>,
    retries: AtomicU64,
    failures: Mutex<Failures>,
    over: Mutex<bool>,
    /// Woken when the run is over.
    ended: Condvar,
}

#[derive(Default)]
struct Failures {
    /// Why the last attempt at each task failed.
    reasons: HashMap<usize, String>,
    /// Lines to be written out.
    lines: Vec<String>,
    seen: usize,
}

/// What a task does: the lower bits of its word, the others being microseconds since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
enum State {
    /// Waits for its upstreams, or for a thread.
    Idle = 0,
    WaitsForPermits,
    WaitsForSlot,
    Runs,
    Succeeded,
    Failed,
    /// Skipped or cancelled.
    NotRun,
    /// No part of the run.
    Absent,
}

const STATE_BITS: u32 = 3;

/// How many tasks do what, and which run longest.
#[derive(Debug, Default)]
struct Count {
    states: [u64; 1 << STATE_BITS],
    /// Since when, and the number of the node; the first is the oldest.
    running: Vec<(u64, usize)>,
}

impl Progress {
    /// A bar on stderr, or nothing if that is no terminal.
    pub fn new() -> Self {
        Self::within(MultiProgress::new())
    }

    /// A bar among others, or drawn to another target.
    pub fn within(multi: MultiProgress) -> Self {
        Self(Arc::new(Shared {
            multi,
            run: OnceLock::new(),
            thread: Mutex::new(None),
        }))
    }

    /// Writes a line above the bar; to stderr if there is none.
    pub fn println(&self, line: impl AsRef<str>) {
        match self.0.multi.is_hidden() {
            true => eprintln!("{}", line.as_ref()),
            // A terminal that is gone is no reason for a task to fail.
            false => drop(self.0.multi.println(line)),
        }
    }

    /// Takes the bar away, calls `write`, and draws the bar again.
    pub fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.multi.suspend(write)
    }

    fn set(&self, task: TaskRef<'_>, state: State) {
        if let Some(run) = self.0.run.get() {
            run.set(task.number(), state);
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").finish_non_exhaustive()
    }
}

impl Observer for Progress {
    fn run_started(&self, flow: &Structure) {
        if self.0.multi.is_hidden() {
            return;
        }
        let tasks = flow.nodes().map(|node| match node.kind().is_task() {
            true => AtomicU64::new(State::Idle as u64),
            false => AtomicU64::new(State::Absent as u64),
        });
        let run = Arc::new(Run {
            flow: flow.clone(),
            start: Instant::now(),
            tasks: tasks.collect(),
            retries: AtomicU64::new(0),
            failures: Mutex::default(),
            over: Mutex::new(false),
            ended: Condvar::new(),
        });
        if self.0.run.set(Arc::clone(&run)).is_err() {
            return;
        }
        let screen = Screen::new(self.0.multi.clone());
        let thread = std::thread::Builder::new().name("asyncflow-progress".into());
        // Without a thread there is no bar, which is no reason not to run.
        *lock(&self.0.thread) = thread.spawn(move || run.draw(screen)).ok();
    }

    fn task_waiting(&self, task: TaskRef<'_>, _: &Permits) {
        self.set(task, State::WaitsForPermits);
    }

    fn task_queued(&self, task: TaskRef<'_>) {
        self.set(task, State::WaitsForSlot);
    }

    fn task_started(&self, task: TaskRef<'_>, attempt: u32) {
        self.set(task, State::Runs);
        if let (true, Some(run)) = (attempt > 1, self.0.run.get()) {
            run.retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn attempt_failed(&self, task: TaskRef<'_>, _: u32, why: &dyn fmt::Display) {
        if let Some(run) = self.0.run.get() {
            run.set(task.number(), State::Idle);
            let why = clean(&why.to_string(), text::LONG);
            lock(&run.failures).reasons.insert(task.number(), why);
        }
    }

    fn task_ended(&self, task: TaskRef<'_>, status: TaskStatus) {
        self.set(
            task,
            match status {
                TaskStatus::NotSelected => State::Absent,
                status if status.is_success() => State::Succeeded,
                status if status.is_failure() => State::Failed,
                _ => State::NotRun,
            },
        );
        if let (true, Some(run)) = (status.is_failure(), self.0.run.get()) {
            let mut failures = lock(&run.failures);
            failures.seen += 1;
            let why = failures.reasons.remove(&task.number()).unwrap_or_default();
            if failures.seen <= FAILURES {
                let name = clean(task.name(), SHORT);
                failures
                    .lines
                    .push(format!("task `{name}` {status}: {why}"));
            }
        }
    }

    fn run_ended(&self) {
        if let Some(run) = self.0.run.get() {
            *lock(&run.over) = true;
            run.ended.notify_all();
        }
        // Waited for, so that what the program writes next comes after the last picture.
        let thread = lock(&self.0.thread).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Run {
    fn set(&self, number: usize, state: State) {
        let Some(task) = self.tasks.get(number) else {
            return;
        };
        // Only what runs is shown with its time; reading a clock costs more than the rest.
        let since = match state {
            State::Runs => self.micros(),
            _ => 0,
        };
        task.store(since << STATE_BITS | state as u64, Ordering::Relaxed);
    }

    fn micros(&self) -> u64 {
        // Good for half a million years without the upper bits.
        self.start.elapsed().as_micros() as u64
    }

    fn draw(&self, screen: Screen) {
        let mut pause = TICK;
        loop {
            let over = lock(&self.over);
            let (over, _) = self
                .ended
                .wait_timeout_while(over, pause, |over| !*over)
                .unwrap_or_else(PoisonError::into_inner);
            let over = *over;
            let before = Instant::now();
            let count = self.count();
            pause = TICK.max(before.elapsed() * SHARE);
            screen.show(self, &count);
            if over {
                return screen.close(self);
            }
        }
    }

    fn count(&self) -> Count {
        let mut count = Count::default();
        let young = self.micros().saturating_sub(LONG.as_micros() as u64);
        for (number, task) in self.tasks.iter().enumerate() {
            let word = task.load(Ordering::Relaxed);
            let (state, since) = (word & ((1 << STATE_BITS) - 1), word >> STATE_BITS);
            count.states[state as usize] += 1;
            if state == State::Runs as u64 && since <= young {
                let node = count.running.partition_point(|other| other.0 <= since);
                if node < SHOWN {
                    count.running.insert(node, (since, number));
                    count.running.truncate(SHOWN);
                }
            }
        }
        count
    }
}

impl Count {
    fn of(&self, state: State) -> u64 {
        self.states[state as usize]
    }

    fn ended(&self) -> u64 {
        self.of(State::Succeeded) + self.of(State::Failed) + self.of(State::NotRun)
    }

    fn tasks(&self) -> u64 {
        self.states.iter().sum::<u64>() - self.of(State::Absent)
    }

    /// What there is to say beside the bar. Nothing is said of what there is none of.
    fn words(&self, retries: u64) -> String {
        let words = [
            (self.of(State::Runs), "running"),
            (self.of(State::WaitsForPermits), "waiting for permits"),
            (self.of(State::WaitsForSlot), "waiting for a slot"),
            (self.of(State::Succeeded), "succeeded"),
            (retries, "retried"),
            (self.of(State::NotRun), "not run"),
            (self.of(State::Failed), "failed"),
        ];
        let words = words.iter().filter(|(count, _)| *count > 0);
        let words: Vec<String> = words
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        words.join(", ")
    }
}

/// What is on the terminal. All is one bar with a message of several lines, because each bar of its
/// own would draw the others again.
struct Screen {
    multi: MultiProgress,
    bar: ProgressBar,
}

impl Screen {
    fn new(multi: MultiProgress) -> Self {
        let style = style(
            "{spinner} {human_pos}/{human_len} [{bar:30}] {elapsed} gone, {eta} to go\n{msg}",
        );
        let bar = multi.add(ProgressBar::new(0).with_style(style));
        Self { multi, bar }
    }

    fn show(&self, run: &Run, count: &Count) {
        for line in std::mem::take(&mut lock(&run.failures).lines) {
            let _ = self.multi.println(line);
        }
        self.bar.update(|bar| {
            bar.set_len(count.tasks());
            bar.set_pos(count.ended());
        });
        let now = run.micros();
        let mut message = format!("  {}", count.words(run.retries.load(Ordering::Relaxed)));
        for (since, number) in &count.running {
            let ran = text::duration(Duration::from_micros(now.saturating_sub(*since)));
            let name = run.flow.node(*number).name().unwrap_or_default();
            message.push_str(&format!("\n  {ran:>8}  {}", clean(name, SHORT)));
        }
        self.bar.set_message(message);
    }

    /// Leaves the last picture on the terminal; whatever is written next comes below.
    fn close(&self, run: &Run) {
        let unwritten = lock(&run.failures).seen.saturating_sub(FAILURES);
        if unwritten > 0 {
            let _ = self
                .multi
                .println(format!("… and {unwritten} more failures"));
        }
        let style = style("{human_pos}/{human_len} [{bar:30}] {elapsed}\n{msg}");
        self.bar.set_style(style);
        self.bar.abandon();
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}
