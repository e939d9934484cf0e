//! A progress bar for a run, drawn with the crate `indicatif`.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use asyncflow_core::{ElementRef, Observer, Permits, Structure, TaskRef, TaskStatus};
use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::lock::lock;
use crate::text::{self, SHORT, clean};

/// The shortest time between two updates. Ten in a second look continuous and cost little.
const INTERVAL: Duration = Duration::from_millis(100);

/// The thread that draws sleeps at least this many times as long as it takes to look at all tasks,
/// so that it uses at most about 5 % of a core even for a million tasks.
const PAUSE_FACTOR: u32 = 20;

/// How long a task runs before it is shown. Found by eye: shorter ones appear and vanish too fast
/// to be read.
const SHOW_AFTER: Duration = Duration::from_millis(500);

/// How many of the longest-running tasks are shown, so that the bar stays a few lines high.
const SHOWN_TASKS: usize = 4;

/// How many failures are written out, which is about a screenful. The others are counted; the error
/// of the run names them all.
const SHOWN_FAILURES: usize = 20;

/// How many units of the bar a task is, so that the bar moves while a task tells how far it is.
const UNITS: u64 = 1000;

/// An observer that draws a progress bar. It shows how many tasks have ended, run, and wait, the
/// estimated remaining time, the longest-running tasks, and failures as they happen.
///
/// ```
/// use asyncflow::TokioFlow;
/// use asyncflow::prelude::*;
/// use asyncflow::view::progress::Progress;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), FlowError> {
/// let mut flow = TokioFlow::new();
/// flow.add((|| ()).named("fetch"));
/// flow.execute().observe(Progress::new()).await?;
/// # Ok(())
/// # }
/// ```
///
/// ```text
/// task `upload of b` failed: connection reset
/// ⠹ 58/104 [================>             ] 7s gone, 6s to go
///   3 running, 2 waiting for permits, 57 succeeded, 1 failed
///   5.2 s  transcode 1,203/100,000
///   1.1 s  upload of c
/// ```
///
/// A task that [tells how far it is](asyncflow_core::TaskContext::progress) has that behind its name, and an
/// [`each`](asyncflow_core::each()) has the number of elements that have ended.
///
/// A `Progress` is for one run. It draws to stderr, and draws nothing if stderr is not a terminal.
/// The remaining time is estimated from the number of tasks that have ended, as if all took equally
/// long. Of a task that tells how far it is, a part has ended.
///
/// # Cost
///
/// A separate thread draws, at most ten times a second. A task only stores its state when it starts
/// and ends, each in an atomic of its own. An element is added to a counter when it ends.
///
/// # Other output
///
/// Output to the terminal would be mixed up with the bar. Keep a clone of the `Progress`, and write
/// lines with [`println`](Self::println), or do anything else in [`suspend`](Self::suspend).
#[derive(Clone)]
pub struct Progress(Arc<Shared>);

struct Shared {
    multi: MultiProgress,
    /// Set when the run starts, unless nothing is drawn.
    run: OnceLock<Arc<Run>>,
    /// The thread that draws, while the run goes on.
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Run {
    flow: Structure,
    start: Instant,
    /// For each node the [`State`] of its task, and since when. Only the task itself writes to its
    /// entry, so threads do not contend.
    tasks: Box<[AtomicU64]>,
    /// For each node how far its task is, if it tells.
    done: Box<[OnceLock<Box<Done>>]>,
    retries: AtomicU64,
    failures: Mutex<Failures>,
    ended: Mutex<bool>,
    /// Notified when `ended` becomes `true`, so that the thread need not finish its pause.
    ended_changed: Condvar,
}

/// How far a task is.
#[derive(Debug, Default)]
struct Done {
    done: AtomicU64,
    total: AtomicU64,
}

#[derive(Default)]
struct Failures {
    /// The error of the last attempt, by the number of the node.
    reasons: HashMap<usize, String>,
    /// The lines that the thread has not written yet.
    lines: Vec<String>,
    /// The number of failed tasks.
    count: usize,
}

/// The state of a task. An entry of [`Run::tasks`] has it in the lower bits; the upper bits are the
/// moment when a running task started, in microseconds since the start of the run.
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
    /// Not selected, or not a task.
    Absent,
}

const STATE_BITS: u32 = 3;

/// How many tasks are in each state, and which run longest.
#[derive(Debug, Default)]
struct Counts {
    states: [u64; 1 << STATE_BITS],
    /// When each started, and the number of its node; the longest-running first.
    running: Vec<(u64, usize)>,
    /// How much of the tasks that run is done, in [`UNITS`].
    done: u64,
}

impl Progress {
    /// Creates a progress bar on stderr. It draws nothing if stderr is not a terminal.
    pub fn new() -> Self {
        Self::with_draw_target(ProgressDrawTarget::stderr())
    }

    /// Draws to stdout instead of stderr. It draws nothing if stdout is not a terminal.
    ///
    /// ```
    /// use asyncflow::view::progress::Progress;
    ///
    /// let progress = Progress::new().on_stdout();
    /// ```
    pub fn on_stdout(self) -> Self {
        self.0.multi.set_draw_target(ProgressDrawTarget::stdout());
        self
    }

    /// Draws nothing, for example for a `--quiet` option of a program. [`println`](Self::println)
    /// still writes lines, to stderr.
    ///
    /// ```
    /// use asyncflow::view::progress::Progress;
    ///
    /// # let quiet = true;
    /// let mut progress = Progress::new();
    /// if quiet {
    ///     progress = progress.hidden();
    /// }
    /// progress.println("0 warnings");
    /// ```
    pub fn hidden(self) -> Self {
        self.0.multi.set_draw_target(ProgressDrawTarget::hidden());
        self
    }

    /// For tests, which read what is drawn from a terminal in memory. It is not part of the public
    /// API, because its parameter is of `indicatif`, a crate before version 1.
    #[doc(hidden)]
    pub fn with_draw_target(target: ProgressDrawTarget) -> Self {
        Self(Arc::new(Shared {
            multi: MultiProgress::with_draw_target(target),
            run: OnceLock::new(),
            thread: Mutex::new(None),
        }))
    }

    /// Writes a line above the bar. Writes it to stderr if no bar is drawn.
    ///
    /// ```
    /// use asyncflow::TokioFlow;
    /// use asyncflow::prelude::*;
    /// use asyncflow::view::progress::Progress;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), FlowError> {
    /// let mut flow = TokioFlow::new();
    /// let progress = Progress::new();
    /// let lines = progress.clone();
    /// flow.add((move || lines.println("halfway there")).named("half"));
    /// flow.execute().observe(progress).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn println(&self, line: impl AsRef<str>) {
        match self.0.multi.is_hidden() {
            true => eprintln!("{}", line.as_ref()),
            // An error means that the terminal is gone, which is no reason for a task to fail.
            false => drop(self.0.multi.println(line)),
        }
    }

    /// Removes the bar, calls `f`, and draws the bar again. The bar is not updated meanwhile.
    ///
    /// ```
    /// use asyncflow::view::progress::Progress;
    ///
    /// let progress = Progress::new();
    /// let length = progress.suspend(|| {
    ///     let answer = "yes"; // or a prompt for the user
    ///     answer.len()
    /// });
    /// assert_eq!(length, 3);
    /// ```
    pub fn suspend<T>(&self, f: impl FnOnce() -> T) -> T {
        self.0.multi.suspend(f)
    }

    fn set(&self, task: TaskRef<'_>, state: State) {
        if let Some(run) = self.run_of(task) {
            run.set(task.number(), state);
        }
    }

    /// The run of a task, unless that is inside of another task, which has the row.
    fn run_of(&self, task: TaskRef<'_>) -> Option<&Arc<Run>> {
        match task.inside() {
            None => self.0.run.get(),
            Some(_) => None,
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
            done: flow.nodes().map(|_| OnceLock::new()).collect(),
            retries: AtomicU64::new(0),
            failures: Mutex::default(),
            ended: Mutex::new(false),
            ended_changed: Condvar::new(),
        });
        if self.0.run.set(Arc::clone(&run)).is_err() {
            return;
        }
        let screen = Screen::new(self.0.multi.clone());
        let thread = std::thread::Builder::new().name("asyncflow-progress".into());
        // If no thread can be spawned, the flow runs without a bar.
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
        if let (true, Some(run)) = (attempt > 1, self.run_of(task)) {
            run.retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn attempt_failed(&self, task: TaskRef<'_>, _: u32, why: &dyn fmt::Display) {
        if let Some(run) = self.run_of(task) {
            run.set(task.number(), State::Idle);
            let why = clean(&why.to_string(), text::LONG);
            lock(&run.failures).reasons.insert(task.number(), why);
        }
    }

    fn task_progress(&self, task: TaskRef<'_>, done: u64, total: u64) {
        let Some(run) = self.run_of(task) else {
            return;
        };
        let Some(known) = run.done.get(task.number()) else {
            return;
        };
        let known = known.get_or_init(Box::default);
        known.total.store(total, Ordering::Relaxed);
        known.done.store(done, Ordering::Relaxed);
    }

    fn element_ended(&self, element: ElementRef<'_>, _: TaskStatus) {
        let task = element.task();
        if let Some(done) = self.run_of(task).and_then(|run| run.done_of(task.number())) {
            done.done.fetch_add(1, Ordering::Relaxed);
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
        if let (true, Some(run)) = (status.is_failure(), self.run_of(task)) {
            let mut failures = lock(&run.failures);
            failures.count += 1;
            let why = failures.reasons.remove(&task.number()).unwrap_or_default();
            if failures.count <= SHOWN_FAILURES {
                let name = clean(task.name(), SHORT);
                failures
                    .lines
                    .push(format!("task `{name}` {status}: {why}"));
            }
        }
    }

    fn run_ended(&self) {
        if let Some(run) = self.0.run.get() {
            *lock(&run.ended) = true;
            run.ended_changed.notify_all();
        }
        // Waits for the thread, so that output after the run comes below the bar.
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
        // Only running tasks are shown with a time, and reading the clock is the main cost here.
        let since = match state {
            State::Runs => self.micros(),
            _ => 0,
        };
        task.store(since << STATE_BITS | state as u64, Ordering::Relaxed);
    }

    fn done_of(&self, number: usize) -> Option<&Done> {
        self.done.get(number)?.get().map(|done| &**done)
    }

    fn micros(&self) -> u64 {
        // 61 bits of microseconds last for 70 000 years.
        self.start.elapsed().as_micros() as u64
    }

    fn draw(&self, screen: Screen) {
        let mut pause = INTERVAL;
        loop {
            let ended = lock(&self.ended);
            let (ended, _) = self
                .ended_changed
                .wait_timeout_while(ended, pause, |ended| !*ended)
                .unwrap_or_else(PoisonError::into_inner);
            let ended = *ended;
            let before = Instant::now();
            let counts = self.count();
            pause = INTERVAL.max(before.elapsed() * PAUSE_FACTOR);
            screen.show(self, &counts);
            if ended {
                return screen.close(self);
            }
        }
    }

    fn count(&self) -> Counts {
        let mut counts = Counts::default();
        let latest = self.micros().saturating_sub(SHOW_AFTER.as_micros() as u64);
        for (number, task) in self.tasks.iter().enumerate() {
            let word = task.load(Ordering::Relaxed);
            let (state, since) = (word & ((1 << STATE_BITS) - 1), word >> STATE_BITS);
            counts.states[state as usize] += 1;
            if state == State::Runs as u64 {
                counts.done += self.done_of(number).map_or(0, Done::units);
            }
            if state == State::Runs as u64 && since <= latest {
                let position = counts.running.partition_point(|other| other.0 <= since);
                if position < SHOWN_TASKS {
                    counts.running.insert(position, (since, number));
                    counts.running.truncate(SHOWN_TASKS);
                }
            }
        }
        counts
    }
}

impl Done {
    /// How much of the task is done, in [`UNITS`].
    fn units(&self) -> u64 {
        let (done, total) = self.load();
        let part = done.min(total) as f64 / total.max(1) as f64;
        (part * UNITS as f64) as u64
    }

    fn load(&self) -> (u64, u64) {
        let done = self.done.load(Ordering::Relaxed);
        (done, self.total.load(Ordering::Relaxed))
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (done, total) = self.load();
        write!(f, " {}/{}", HumanCount(done), HumanCount(total))
    }
}

impl Counts {
    fn of(&self, state: State) -> u64 {
        self.states[state as usize]
    }

    fn ended(&self) -> u64 {
        self.of(State::Succeeded) + self.of(State::Failed) + self.of(State::NotRun)
    }

    fn tasks(&self) -> u64 {
        self.states.iter().sum::<u64>() - self.of(State::Absent)
    }

    /// The line below the bar, without the states that no task is in.
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

/// What is drawn on the terminal: one bar with a message of several lines. With one bar for each
/// line, every update of a line would draw all lines again.
struct Screen {
    multi: MultiProgress,
    bar: ProgressBar,
}

impl Screen {
    fn new(multi: MultiProgress) -> Self {
        let style = style("{spinner} {prefix} [{bar:30}] {elapsed} gone, {eta} to go\n{msg}");
        let bar = multi.add(ProgressBar::new(0).with_style(style));
        Self { multi, bar }
    }

    fn show(&self, run: &Run, counts: &Counts) {
        for line in std::mem::take(&mut lock(&run.failures).lines) {
            let _ = self.multi.println(line);
        }
        self.bar.update(|bar| {
            bar.set_len(counts.tasks() * UNITS);
            bar.set_pos(counts.ended() * UNITS + counts.done);
        });
        let (ended, tasks) = (HumanCount(counts.ended()), HumanCount(counts.tasks()));
        self.bar.set_prefix(format!("{ended}/{tasks}"));
        let now = run.micros();
        let mut message = format!("  {}", counts.words(run.retries.load(Ordering::Relaxed)));
        for (since, number) in &counts.running {
            let ran = text::duration(Duration::from_micros(now.saturating_sub(*since)));
            let name = run.flow.node(*number).name().unwrap_or_default();
            message.push_str(&format!("\n  {ran:>8}  {}", clean(name, SHORT)));
            if let Some(done) = run.done_of(*number) {
                message.push_str(&done.to_string());
            }
        }
        self.bar.set_message(message);
    }

    /// Draws the bar for the last time and leaves it on the terminal; later output comes below it.
    fn close(&self, run: &Run) {
        let unwritten = lock(&run.failures).count.saturating_sub(SHOWN_FAILURES);
        if unwritten > 0 {
            let _ = self
                .multi
                .println(format!("… and {unwritten} more failures"));
        }
        let style = style("{prefix} [{bar:30}] {elapsed}\n{msg}");
        self.bar.set_style(style);
        self.bar.abandon();
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}
