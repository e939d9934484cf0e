//! Worlds: what the functions of a case do, and what they see of each other.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{FlowErrorKind, Observer, Runtime, TaskRef, TaskStatus};
use asyncflow_tests::{Guard, Guards, again, pause, turns, yield_now};
use futures::executor::block_on;

use super::case::{CAPACITIES, Case, Fate, Round, Work};
use super::plan::Plan;
use super::reference::{fallback_flag, fallback_value, output};

/// Async tasks that yield so often are the ones that get stuck.
const STUCK: u32 = 3;

/// What the functions of one case share.
pub(crate) struct World {
    pub(crate) plan: Plan,
    work: Vec<Work>,
    pub(crate) guards: Guards,
    attempts: Vec<AtomicU32>,
    /// How many failures of each task `retry_when` was asked about.
    asked: Vec<AtomicU32>,
    log: Mutex<Vec<Event>>,
    seen: Mutex<Vec<Seen>>,
    inside: [AtomicUsize; CAPACITIES.len()],
    running: AtomicUsize,
    limit: AtomicUsize,
    stuck: AtomicBool,
    /// How long the log was when the run had been dropped.
    stop: Mutex<Option<usize>>,
    wrong: Mutex<Vec<String>>,
    patience: Mutex<Patience>,
    released: Condvar,
    pub(crate) run_ended: AtomicBool,
}

/// What plain functions that hang wait for.
#[derive(Default)]
struct Patience {
    /// How many attempts of each task were given up.
    given_up: Vec<u32>,
    /// The execution is over, and gives up none of them any more.
    over: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) task: usize,
    pub(crate) attempt: u32,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Start,
    Succeeded,
    Failed,
    /// The future was dropped before it came to its end.
    Dropped,
    /// A plain function came back that had been timed out.
    Late,
}

/// What an observer was told of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Ready,
    Waiting,
    Started(u32),
    AttemptFailed(u32),
    Ended(TaskStatus),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) task: usize,
    pub(crate) told: Told,
}

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) struct Oops;

impl fmt::Display for Oops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("oops")
    }
}

impl std::error::Error for Oops {}

/// An output: a number, or whether a condition holds.
pub(crate) trait Value: Send + Sync + 'static {
    fn of(number: u64, flag: Option<bool>) -> Self;
    /// What the fallback of a task makes.
    fn fallback(task: usize) -> Self;
}

impl Value for u64 {
    fn of(number: u64, _: Option<bool>) -> Self {
        number
    }

    fn fallback(task: usize) -> Self {
        fallback_value(task)
    }
}

impl Value for bool {
    fn of(_: u64, flag: Option<bool>) -> Self {
        flag.expect("a condition has a flag")
    }

    fn fallback(task: usize) -> Self {
        fallback_flag(task)
    }
}

impl World {
    pub(crate) fn new(case: &Case) -> Arc<Self> {
        let plan = case.plan();
        let tasks = plan.tasks.len();
        Arc::new(Self {
            work: plan
                .tasks
                .iter()
                .map(|task| case.blocks[task.block].work)
                .collect(),
            plan,
            guards: Guards::new(),
            attempts: (0..tasks).map(|_| AtomicU32::new(0)).collect(),
            asked: (0..tasks).map(|_| AtomicU32::new(0)).collect(),
            log: Mutex::default(),
            seen: Mutex::default(),
            inside: Default::default(),
            running: AtomicUsize::new(0),
            limit: AtomicUsize::new(usize::MAX),
            stuck: AtomicBool::new(false),
            stop: Mutex::default(),
            wrong: Mutex::default(),
            patience: Mutex::new(Patience {
                given_up: vec![0; tasks],
                over: false,
            }),
            released: Condvar::new(),
            run_ended: AtomicBool::new(false),
        })
    }

    /// Before an execution.
    pub(crate) fn begin_round(&self, round: &Round) {
        for attempts in self.attempts.iter().chain(&self.asked) {
            attempts.store(0, Ordering::SeqCst);
        }
        self.log.lock().unwrap().clear();
        self.seen.lock().unwrap().clear();
        self.limit.store(
            round.max_concurrency.unwrap_or(usize::MAX),
            Ordering::SeqCst,
        );
        self.stuck.store(round.stuck, Ordering::SeqCst);
        *self.stop.lock().unwrap() = None;
        self.run_ended.store(false, Ordering::SeqCst);
        let mut patience = self.patience.lock().unwrap();
        patience.given_up.fill(0);
        patience.over = false;
    }

    /// After an execution was dropped: nothing that becomes ready from here on may start.
    pub(crate) fn note_stop(&self) {
        let stop = self.log.lock().unwrap().len();
        *self.stop.lock().unwrap() = Some(stop);
    }

    pub(crate) fn stop(&self) -> Option<usize> {
        *self.stop.lock().unwrap()
    }

    /// Whether a task that a stop ends is to last until then.
    pub(crate) fn is_stuck(&self, task: usize) -> bool {
        self.stuck.load(Ordering::SeqCst) && !self.plan.tasks[task].always
    }

    /// After an execution was dropped.
    pub(crate) fn release(&self) {
        self.patience.lock().unwrap().over = true;
        self.released.notify_all();
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// What was found wrong while it happened.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap().clone()
    }

    pub(crate) fn find_wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    /// An attempt starts.
    fn begin(self: &Arc<Self>, task: usize) -> Attempt {
        let number = self.attempts[task].fetch_add(1, Ordering::SeqCst) + 1;
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        let limit = self.limit.load(Ordering::SeqCst);
        if running > limit {
            self.find_wrong(format!("{running} run at a time, of {limit}"));
        }
        for (lock, count) in &self.plan.tasks[task].permits {
            let inside = self.inside[*lock].fetch_add(*count, Ordering::SeqCst) + count;
            if inside > CAPACITIES[*lock] {
                self.find_wrong(format!(
                    "task {task} makes it {inside} permits of lock {lock}"
                ));
            }
        }
        self.log.lock().unwrap().push(Event {
            task,
            attempt: number,
            what: What::Start,
        });
        Attempt {
            world: Arc::clone(self),
            task,
            number,
            end: What::Dropped,
            _guard: self.guards.guard(),
        }
    }

    /// What a task does that needs all permits of a lock.
    pub(crate) fn hold_all(&self, lock: usize) {
        let capacity = CAPACITIES[lock];
        let before = self.inside[lock].fetch_add(capacity, Ordering::SeqCst);
        if before > 0 {
            self.find_wrong(format!(
                "{before} permits of lock {lock} beside all of them"
            ));
        }
        self.inside[lock].fetch_sub(capacity, Ordering::SeqCst);
    }

    /// Executes a flow by hand. Of a flow inside of it one task fails, and the others run all the same:
    /// a function for each element of a shared list, and one that executes a further flow.
    async fn execute<R: Runtime + Default>(&self, task: usize) {
        let ran = Arc::new(AtomicUsize::new(0));
        let (mut inner, mut nested) = (Flow::<R>::new(), Flow::<R>::new());
        let (plain, waits) = (Arc::clone(&ran), Arc::clone(&ran));
        nested.add(async || Err::<(), _>(Oops));
        nested.add(move || {
            plain.fetch_add(1, Ordering::SeqCst);
        });
        nested.add(again!((waits) {
            turns(2).await;
            waits.fetch_add(1, Ordering::SeqCst);
        }));
        // Occupies the thread that begins the run, so that another may begin the one inside.
        inner.add(async || std::thread::sleep(Duration::from_micros(100)));
        inner.add(Arc::new(nested));
        let mut further = Flow::<R>::new();
        let one = further.add(|| 1_u64);
        let further = inner.value((further, one));
        let execute = async |further: &(Flow<R>, Task<u64>), cx: &TaskContext| {
            let run = cx.execute(&further.0).await?;
            Ok::<_, FlowError>(run[further.1])
        };
        let one = inner.add(execute.inputs((further, context())));
        let list = inner.value(vec![1_u64, 2, 3]);
        let double = async |number: &u64, one: &u64| {
            yield_now().await;
            2 * number * one
        };
        let lock = Lock::new();
        let doubled = each(double).inputs((list, one)).with_lock(&lock);
        let doubled = inner.add(doubled.priority(task as i32 % 3));
        let (kind, ran) = match inner.execute().keep_going().await {
            Ok(_) => (None, 3),
            Err(error) => {
                let outputs = error.outputs().and_then(|run| run.get(doubled));
                let doubled = outputs.is_some_and(|doubled| *doubled == [2, 4, 6]);
                let ran = ran.load(Ordering::SeqCst) + usize::from(doubled);
                (Some(error.kind()), ran)
            }
        };
        // It is stopped with the run that it is inside of.
        let right = match kind {
            Some(FlowErrorKind::Failed) => ran == 3,
            kind => kind == Some(FlowErrorKind::Cancelled),
        };
        if !right {
            self.find_wrong(format!(
                "the flow that task {task} executes: {kind:?}, {ran} of 3 ran"
            ));
        }
    }

    /// A plain function.
    pub(crate) fn plain<R: Runtime + Default, T: Value>(
        self: &Arc<Self>,
        task: usize,
        inputs: &[Option<u64>],
    ) -> Result<T, Oops> {
        let mut attempt = self.begin(task);
        match self.work[task] {
            Work::None => {}
            Work::Yield(times) => (0..times).for_each(|_| std::thread::yield_now()),
            Work::Sleep(micros) => std::thread::sleep(Duration::from_micros(micros)),
            Work::Execute => block_on(self.execute::<R>(task)),
        }
        if let Some(Fate::Hang) = attempt.fate() {
            self.hang(task, ATTEMPT.get());
            attempt.end = What::Late;
            return Ok(self.result(task, inputs));
        }
        attempt.end(self, inputs)
    }

    /// An async function: the part of it that makes the future.
    pub(crate) fn start(self: &Arc<Self>, task: usize) -> Attempt {
        let mut attempt = self.begin(task);
        if let Some(Fate::PanicAtOnce) = attempt.fate() {
            attempt.end = What::Failed;
            // Without the panic hook and its backtraces.
            std::panic::resume_unwind(Box::new("at once"));
        }
        attempt
    }

    /// Blocks until the attempt has been given up: the one that the observer was told of, since a
    /// thread that is late may begin after that of the next attempt.
    fn hang(&self, task: usize, attempt: u32) {
        let patience = self.patience.lock().unwrap();
        let limit = Duration::from_secs(20);
        let (_patience, waited) = self
            .released
            .wait_timeout_while(patience, limit, |patience| {
                !patience.over && patience.given_up[task] < attempt
            })
            .unwrap();
        if waited.timed_out() {
            self.find_wrong(format!("task {task} was not timed out"));
        }
    }

    /// Whether a failed task may be attempted again that is to fail so often.
    pub(crate) fn may_retry(&self, task: usize, patience: u32) -> bool {
        self.asked[task].fetch_add(1, Ordering::SeqCst) + 1 < patience
    }

    fn give_up(&self, task: usize) {
        self.patience.lock().unwrap().given_up[task] += 1;
        self.released.notify_all();
    }

    fn result<T: Value>(&self, task: usize, inputs: &[Option<u64>]) -> T {
        T::of(output(task, inputs), self.plan.tasks[task].flag)
    }
}

/// One attempt at a task, while it runs.
pub(crate) struct Attempt {
    world: Arc<World>,
    task: usize,
    number: u32,
    end: What,
    _guard: Guard,
}

impl Attempt {
    /// How it is to fail.
    fn fate(&self) -> Option<Fate> {
        let task = &self.world.plan.tasks[self.task];
        (self.number <= task.fails).then_some(task.fate)
    }

    fn end<T: Value>(&mut self, world: &World, inputs: &[Option<u64>]) -> Result<T, Oops> {
        match self.fate() {
            Some(Fate::Err) => {
                self.end = What::Failed;
                Err(Oops)
            }
            Some(Fate::Panic | Fate::PanicAtOnce) => {
                self.end = What::Failed;
                std::panic::resume_unwind(Box::new("oops"))
            }
            _ => {
                self.end = What::Succeeded;
                Ok(world.result(self.task, inputs))
            }
        }
    }

    /// The future of an async function.
    pub(crate) async fn run<R, T>(mut self, inputs: Vec<Option<u64>>) -> Result<T, Oops>
    where
        R: asyncflow::Runtime + Default,
        T: Value,
    {
        match self.world.work[self.task] {
            Work::None => {}
            Work::Yield(times) => {
                for _ in 0..times {
                    yield_now().await;
                }
                if times == STUCK && self.world.is_stuck(self.task) {
                    std::future::pending::<()>().await;
                }
            }
            Work::Sleep(micros) => pause::<R>(Duration::from_micros(micros)).await,
            Work::Execute => self.world.execute::<R>(self.task).await,
        }
        if let Some(Fate::Hang) = self.fate() {
            std::future::pending::<()>().await;
        }
        let world = Arc::clone(&self.world);
        self.end(&world, &inputs)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let world = &self.world;
        for (lock, count) in &world.plan.tasks[self.task].permits {
            world.inside[*lock].fetch_sub(*count, Ordering::SeqCst);
        }
        world.running.fetch_sub(1, Ordering::SeqCst);
        world.log.lock().unwrap().push(Event {
            task: self.task,
            attempt: self.number,
            what: self.end,
        });
    }
}

thread_local! {
    /// The attempt that was last said to start on this thread. A plain function is called right after
    /// that.
    static ATTEMPT: Cell<u32> = const { Cell::new(0) };
}

/// Writes down what it is told.
pub(crate) struct Watcher(pub(crate) Arc<World>);

impl Watcher {
    fn see(&self, task: TaskRef<'_>, told: Told) -> usize {
        let number = task.name()[1..]
            .parse()
            .expect("tasks are called t and a number");
        self.0
            .seen
            .lock()
            .unwrap()
            .push(Seen { task: number, told });
        number
    }
}

impl Observer for Watcher {
    fn task_ready(&self, task: TaskRef<'_>) {
        self.see(task, Told::Ready);
    }

    fn task_waiting(&self, task: TaskRef<'_>, _: &asyncflow::Permits) {
        self.see(task, Told::Waiting);
    }

    fn task_started(&self, task: TaskRef<'_>, attempt: u32) {
        ATTEMPT.set(attempt);
        self.see(task, Told::Started(attempt));
    }

    fn attempt_failed(&self, task: TaskRef<'_>, attempt: u32, why: &dyn fmt::Display) {
        let _ = why.to_string();
        let task = self.see(task, Told::AttemptFailed(attempt));
        self.0.give_up(task);
    }

    fn task_ended(&self, task: TaskRef<'_>, status: TaskStatus) {
        let task = self.see(task, Told::Ended(status));
        self.0.give_up(task);
    }

    fn run_ended(&self) {
        self.0.run_ended.store(true, Ordering::SeqCst);
    }
}
