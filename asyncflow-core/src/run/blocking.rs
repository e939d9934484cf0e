//! Plain functions on blocking threads; the protocol is the [`crew`](super::crew)'s.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use futures_channel::oneshot;

use crate::declare::function::Body;

use super::agent::Agent;
use super::crew::Ask;
use super::end::{End, PanicPayload, Status};
use super::execution::{Ending, Execution, Pass, Step};
use super::ready::Sent;
use super::slots::Slot;
use super::unwind;
use super::watch::Watch;

/// A plain function to be called.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) task: u32,
    pub(crate) kind: Kind,
}

/// Who settles the task after its function returned.
pub(crate) enum Kind {
    /// The thread, which also gives back what the task holds.
    Simple(Holds),
    /// The supervisor of an attempt, which waits for its end, unless it has lost patience.
    Attempt(Attempt),
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Simple(_) => "Simple",
            Self::Attempt(_) => "Attempt",
        })
    }
}

/// What a task holds while it runs; given back when dropped.
#[derive(Default)]
pub(crate) struct Holds {
    pub(crate) permits: Vec<Box<dyn Send>>,
    pub(crate) slot: Option<Slot>,
}

/// One attempt at a task that is supervised.
pub(crate) struct Attempt {
    pub(crate) holds: Holds,
    /// Says once, and to one of the two, whether this attempt counts.
    pub(crate) claim: Arc<AtomicBool>,
    /// Told when a thread starts the function, which is when its time starts.
    pub(crate) started: oneshot::Sender<()>,
    pub(crate) done: oneshot::Sender<End>,
    pub(crate) number: u32,
}

impl Agent {
    /// Has a plain function called on a blocking thread.
    pub(crate) fn call_blocking(&self, call: Call) {
        let ask = self.crew.push(call);
        self.ask(ask);
    }

    fn ask(&self, ask: Ask) {
        match ask {
            Ask::Nothing => {}
            Ask::Committed => {
                let thread = Thread(Some(self.clone()));
                match self.own_threads {
                    true => self.start_thread(move || thread.run()),
                    false => unwind::contain(|| self.backend.block(thread)),
                }
            }
            Ask::Another => {
                let another = Another(self.downgrade());
                match self.own_threads {
                    true => self.start_thread(move || another.run()),
                    false => unwind::contain(|| self.backend.block_another(another)),
                }
            }
        }
    }
}

impl Agent {
    /// Starts a thread that is none of the runtime's; see [`on_crew`].
    fn start_thread(&self, work: impl FnOnce() + Send + 'static) {
        let backend = Arc::clone(&self.backend);
        let mut work = Some(work);
        let thread = std::thread::Builder::new().name("asyncflow".into());
        // If it cannot be started what it was to do is dropped, which is noticed.
        let _ = thread.spawn(move || {
            backend.enter(&mut || {
                if let Some(work) = work.take() {
                    work();
                }
            });
        });
    }
}

thread_local! {
    static ON_CREW: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is a thread of some run's crew.
///
/// A plain function may execute a flow of its own and wait for it on the spot. If that flow had to
/// wait for a blocking thread of the runtime, and this one is the last there is, both would wait
/// forever. So a run that begins on such a thread gets threads of its own.
pub(crate) fn on_crew() -> bool {
    ON_CREW.get()
}

/// A thread of the crew that is committed to its queue.
pub(crate) struct Thread(
    /// Empty once it has come.
    Option<Agent>,
);

/// A thread of the crew that was asked for and joins if the run is not over when it comes.
pub(crate) struct Another(Weak<Execution>);

impl Thread {
    /// Calls functions until there are no more.
    pub(crate) fn run(mut self) {
        let Some(agent) = self.0.take() else { return };
        let before = ON_CREW.replace(true);
        while let Some((call, ask)) = agent.crew.take() {
            agent.ask(ask);
            // What the function made ready goes on here, so a chain of plain functions stays on
            // its thread.
            let mut next = work(&agent, call);
            while let Some(task) = next {
                next = work(&agent, Call::simple(task));
            }
        }
        ON_CREW.set(before);
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // The runtime shuts down and will not call it. If no other thread is there for what lies
        // in the queue, whoever waits for the end of such a function must hear that it has none.
        if let Some(agent) = self.0.take() {
            for call in agent.crew.desert() {
                unwind::contain(|| drop(call));
            }
        }
    }
}

impl Another {
    pub(crate) fn run(mut self) {
        if let Some(agent) = Agent::upgrade(&std::mem::take(&mut self.0)) {
            agent.crew.join();
            Thread(Some(agent)).run();
        }
    }
}

impl Drop for Another {
    fn drop(&mut self) {
        // Empty once it has come.
        if let Some(agent) = Agent::upgrade(&self.0) {
            agent.crew.decline();
        }
    }
}

impl Call {
    pub(crate) fn simple(task: u32) -> Self {
        Self {
            task,
            kind: Kind::Simple(Holds::default()),
        }
    }
}

/// Does one piece of work; gives a plain task that it made ready, to go on with.
fn work(agent: &Agent, call: Call) -> Option<u32> {
    let Call { task, kind } = call;
    match kind {
        Kind::Simple(holds) => {
            // The run may have stopped since the task was put in the queue.
            let end = match agent.stops_task(task) {
                true => End::Cancelled,
                false => match &agent.watch {
                    Some(watch) => call_watched(agent, watch, task, &holds),
                    None => call_function(agent, task, &|| true),
                },
            };
            drop_holds(holds);
            settle_here(agent, task, end)
        }
        Kind::Attempt(attempt) => {
            let Attempt {
                holds,
                claim,
                started,
                done,
                number,
            } = attempt;
            let wanted = || !claim.swap(true, Ordering::AcqRel);
            let end = match agent.stops_task(task) {
                true => End::Cancelled,
                false => {
                    if number > 1 {
                        agent.note_attempts(task, number);
                    }
                    if let Some(watch) = &agent.watch {
                        watch.started(task, number);
                    }
                    // Last, since the task may be timed out from here on. Nobody listens if there
                    // is no limit.
                    let _ = started.send(());
                    match &agent.watch {
                        Some(watch) => {
                            watch.inside(task, number, || call_function(agent, task, &wanted))
                        }
                        None => call_function(agent, task, &wanted),
                    }
                }
            };
            drop_holds(holds);
            if let Err(late) = done.send(end) {
                late.discard();
            }
            None
        }
    }
}

/// Calls the function of a plain task, and tells those who watch.
#[cold]
fn call_watched(agent: &Agent, watch: &Watch, task: u32, holds: &Holds) -> End {
    if holds.permits.is_empty() && holds.slot.is_none() {
        watch.permitted(task);
    }
    watch.started(task, 1);
    watch.inside(task, 1, || call_function(agent, task, &|| true))
}

/// Calls the function of a plain task.
#[inline]
fn call_function(agent: &Agent, task: u32, wanted: &dyn Fn() -> bool) -> End {
    let Body::Plain(body) = &agent.node(task).body else {
        unreachable!("only plain functions are put in the queue of the crew");
    };
    match unwind::catch(|| body.call(agent.ledger(), task, wanted)) {
        Ok(Ok(())) => End::Done,
        Ok(Err(error)) => End::Failed(error),
        Err(payload) => End::Panicked(PanicPayload(payload)),
    }
}

/// Settles a task on a blocking thread: one plain task that is ready because of it is returned,
/// the other plain ones are queued, and all else goes to the drivers.
fn settle_here(agent: &Agent, task: u32, end: End) -> Option<u32> {
    let mut passing = Passing {
        agent,
        next: None,
        ended: Vec::new(),
        rest: Vec::new(),
    };
    agent.settle(task, end, &mut passing);
    loop {
        if let Some((task, status)) = passing.ended.pop() {
            agent.end(task, status, &mut passing);
        } else if let Some(rest) = passing.rest.pop() {
            agent.go_on(rest, &mut passing);
        } else {
            return passing.next;
        }
    }
}

/// Where the tasks go that a task made ready when it ended on a blocking thread.
struct Passing<'a> {
    agent: &'a Agent,
    next: Option<u32>,
    /// Tasks that have ended without being started.
    ended: Vec<(u32, Status)>,
    /// What is left of ends that take several goes. Nobody else waits for this thread.
    rest: Vec<Ending>,
}

impl Pass for Passing<'_> {
    fn pass(&mut self, task: u32) {
        let agent = self.agent;
        let plain = matches!(agent.node(task).body, Body::Plain(_));
        // Only a plain task may be looked at here: looking at another is up to whoever takes it.
        if plain && !agent.limited {
            match agent.step(task) {
                Step::Call if self.next.is_none() => return self.next = Some(task),
                Step::Call => return agent.call_blocking(Call::simple(task)),
                Step::End(status) => return self.ended.push((task, status)),
                Step::Poll | Step::PollWatched | Step::Supervise => {}
            }
        }
        agent.send(Sent::Task(task, None));
    }

    fn pause(&mut self, rest: Ending) {
        self.rest.push(rest);
    }
}

fn drop_holds(holds: Holds) {
    unwind::contain(|| drop(holds));
}
