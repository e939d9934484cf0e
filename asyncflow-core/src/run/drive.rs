//! Drivers: futures that work through ready tasks.
//!
//! A [`Drive`] is in one of two roles. A *driver* is on the [roster](super::roster) and takes
//! tasks from wherever there are any. It creates a task's future and polls it once, with its own
//! waker. If that is ready, the driver goes on with the first task that this made ready and leaves
//! the others where any driver can take them. If it is pending, the future is moved to a `Drive`
//! of its own, a *lone* one, which the runtime polls when it is woken; unless there is nothing
//! else to do, then the driver leaves the roster and becomes the lone one itself.
//!
//! When what it waited for is ready, a lone one goes on with what that made ready, so a chain of
//! tasks that wait needs one spawn in all.
//!
//! A future that is handed over has left its driver's waker with whatever it waits for. That does
//! no harm: it is polled again at once in its new place, and leaves the new waker there; the
//! driver may be woken once for nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use crossbeam_deque::Worker;

use crate::declare::function::{Body, Job};

use super::agent::Agent;
use super::blocking::Call;
use super::end::{End, PanicPayload};
use super::execution::{Ending, Execution, Pass, Step};
use super::ready::{Desk, Sent};
use super::slots::Slot;
use super::supervise;
use super::unwind;
use super::waiting::Place;
use super::watch::Inside;

/// After how many tasks a driver lets the runtime do something else.
const BUDGET: u32 = 64;

/// Every how many tasks a driver looks at what was sent before it looks at its desk.
const FAIR: u32 = 16;

pub(crate) struct Drive {
    /// The future that waits, if one does.
    held: Option<Held>,
    /// A second share, lent to each task's future and handed back by it: so starting a task that
    /// finishes at once touches no reference count.
    spare: Option<Arc<Execution>>,
    /// Dropped after the others, which borrow its share.
    agent: Agent,
    role: Role,
    /// What to do next.
    next: Option<u32>,
    /// Whether the runtime is to get a turn first. Then there is nothing next.
    pause: bool,
}

enum Role {
    /// On the roster, with a desk if it needed one so far.
    Driver(Option<Worker<u32>>),
    Lone,
}

/// A future that waits.
struct Held {
    task: u32,
    job: Job,
    /// Its place among those to be woken when the run stops.
    place: Option<Place>,
    /// Whether it sees for itself when the run stops. Any other is just dropped.
    sees_stop: bool,
}

/// Whether a [`Drive`] can go on.
enum Turn {
    Next,
    /// It has a future in hand that waits.
    Wait,
}

impl Drive {
    /// A driver that the roster counts as running.
    pub(crate) fn driver(agent: Agent) -> Self {
        Self {
            agent,
            held: None,
            spare: None,
            role: Role::Driver(None),
            next: None,
            pause: false,
        }
    }

    pub(crate) fn agent(&self) -> &Agent {
        &self.agent
    }

    fn work(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(held) = self.held.take() {
            if let Turn::Wait = self.wait(held, cx) {
                return Poll::Pending;
            }
        }
        for tick in 0..BUDGET {
            let turn = match self.next.take() {
                Some(task) => self.start(task, None, cx),
                None if self.pause => break,
                None => match self.find(tick) {
                    Some(Sent::Task(task, slot)) => self.start(task, slot, cx),
                    Some(Sent::Ending(ending)) => self.go_on(*ending),
                    None if self.retire() => return Poll::Ready(()),
                    None => Turn::Next,
                },
            };
            if let Turn::Wait = turn {
                return Poll::Pending;
            }
        }
        self.pause = false;
        // While the runtime does something else, others may have what this driver had in mind.
        if let (Role::Driver(worker), Some(task)) = (&mut self.role, self.next) {
            let ready = &self.agent.ready;
            Desk { ready, worker }.push(task);
            self.next = None;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn find(&mut self, tick: u32) -> Option<Sent> {
        let Role::Driver(worker) = &mut self.role else {
            return None;
        };
        let agent = &self.agent;
        let ready = &agent.ready;
        if tick % FAIR == FAIR - 1 {
            if let Some(sent) = ready.receive() {
                return Some(sent);
            }
        }
        if let Some(task) = worker.as_ref().and_then(Worker::pop) {
            return Some(Sent::Task(task, None));
        }
        if let Some(sent) = ready.receive() {
            return Some(sent);
        }
        let mut desk = Desk { ready, worker };
        let task = ready
            .claim_roots(agent.roots(), &mut desk)
            .or_else(|| ready.steal(&mut desk))?;
        // There may be more than this driver needs, on its desk or elsewhere.
        if desk.worker.as_ref().is_some_and(|desk| !desk.is_empty()) {
            agent.call_driver();
        }
        Some(Sent::Task(task, None))
    }

    /// Leaves the roster after nothing was found; `false` if there is something after all.
    fn retire(&mut self) -> bool {
        let Role::Driver(worker) = &mut self.role else {
            return true;
        };
        // Before it leaves: the number of desks is that of running drivers at most.
        if let Some(desk) = worker.take() {
            self.agent.ready.vacate(desk);
        }
        self.agent.roster.leave();
        if self.agent.ready.any(self.agent.roots()) && self.agent.roster.rejoin() {
            return false;
        }
        self.role = Role::Lone;
        true
    }

    /// Takes up a ready task.
    #[inline]
    fn start(&mut self, task: u32, slot: Option<Slot>, cx: &mut Context<'_>) -> Turn {
        match self.agent.step(task) {
            Step::Poll => self.start_async(task, cx),
            Step::PollWatched => self.start_watched(task, cx),
            Step::Call => {
                self.agent.call_blocking(Call::simple(task));
                Turn::Next
            }
            Step::Supervise => match supervise::start(&self.agent, task, slot) {
                Some(job) => self.poll_first(task, cx, true, |_| job),
                None => Turn::Next,
            },
            Step::End(status) => {
                self.passing(|run, ready| run.end(task, status, ready));
                Turn::Next
            }
        }
    }

    #[inline]
    fn start_async(&mut self, task: u32, cx: &mut Context<'_>) -> Turn {
        let share = self.spare.take().unwrap_or_else(|| self.agent.share());
        self.poll_first(task, cx, false, |agent| {
            let Body::Async(body) = &agent.node(task).body else {
                unreachable!("only async functions are polled");
            };
            body.start(share, task)
        })
    }

    #[cold]
    fn start_watched(&mut self, task: u32, cx: &mut Context<'_>) -> Turn {
        let share = self.spare.take().unwrap_or_else(|| self.agent.share());
        if let Some(watch) = &share.watch {
            watch.permitted(task);
            watch.started(task, 1);
        }
        self.poll_first(task, cx, false, |agent| {
            let Body::Async(body) = &agent.node(task).body else {
                unreachable!("only async functions are polled");
            };
            Inside::start(&**body, share, task, 1)
        })
    }

    /// Creates a future and polls it once.
    #[inline]
    fn poll_first(
        &mut self,
        task: u32,
        cx: &mut Context<'_>,
        sees_stop: bool,
        create: impl FnOnce(&Agent) -> Job,
    ) -> Turn {
        let mut created = None;
        let polled = unwind::catch(|| created.insert(create(&self.agent)).as_mut().poll(cx));
        match (polled, created) {
            (Ok(Poll::Ready((share, None))), job) => {
                self.spare = Some(share);
                // It is done, so there is nothing of the user's left in it.
                drop(job);
                self.passing(|run, ready| run.succeed(task, ready));
                Turn::Next
            }
            (Ok(Poll::Pending), Some(job)) => {
                let sees_stop = sees_stop || self.agent.sees_stop(task);
                let held = Held {
                    task,
                    job,
                    place: None,
                    sees_stop,
                };
                self.pend(held, cx)
            }
            (Ok(Poll::Pending), None) => unreachable!("only a future can be pending"),
            (Ok(Poll::Ready((share, Some(end)))), job) => {
                self.spare = Some(share);
                self.close(task, job, *end);
                Turn::Next
            }
            (Err(payload), job) => {
                self.close(task, job, End::Panicked(PanicPayload(payload)));
                Turn::Next
            }
        }
    }

    /// Drops a future, and settles its task.
    #[cold]
    fn close(&mut self, task: u32, job: Option<Job>, end: End) {
        unwind::contain(|| drop(job));
        self.passing(|run, ready| run.settle(task, end, ready));
    }

    /// Polls a future again; gives it back if it is still pending, and settles its task otherwise.
    fn poll_again(&mut self, mut held: Held, cx: &mut Context<'_>) -> Option<Held> {
        let end = match unwind::catch(|| held.job.as_mut().poll(cx)) {
            Ok(Poll::Pending) => return Some(held),
            Ok(Poll::Ready((share, end))) => {
                self.spare = Some(share);
                end.map_or(End::Done, |end| *end)
            }
            Err(payload) => End::Panicked(PanicPayload(payload)),
        };
        self.let_go(held, end);
        None
    }

    /// Drops a future that waited, and settles its task.
    fn let_go(&mut self, held: Held, end: End) {
        if let Some(place) = held.place {
            self.agent.wait_no_more(place);
        }
        self.close(held.task, Some(held.job), end);
    }

    /// Finds a place for a future that is pending.
    fn pend(&mut self, held: Held, cx: &mut Context<'_>) -> Turn {
        if let Role::Driver(worker) = &self.role {
            let ready = &self.agent.ready;
            let busy = self.next.is_some()
                || worker.as_ref().is_some_and(|desk| !desk.is_empty())
                || ready.any(self.agent.roots());
            if busy || !self.retire() {
                self.hand_over(held);
                return Turn::Next;
            }
        }
        self.wait(held, cx)
    }

    fn hand_over(&self, held: Held) {
        self.agent.spawn(Self {
            agent: self.agent.clone(),
            spare: None,
            role: Role::Lone,
            held: Some(held),
            next: None,
            pause: false,
        });
    }

    /// Polls a future that waits, and that hears of it when the run stops.
    fn wait(&mut self, mut held: Held, cx: &mut Context<'_>) -> Turn {
        // Listed before it is polled or dropped: see the protocol in `waiting`.
        let stops = self.agent.wait(held.task, &mut held.place, cx.waker());
        if stops && !held.sees_stop {
            // Its function was started, which its status does not tell.
            self.agent.note_attempts(held.task, 1);
            self.let_go(held, End::Cancelled);
            return Turn::Next;
        }
        match self.poll_again(held, cx) {
            None => Turn::Next,
            Some(held) => {
                self.held = Some(held);
                Turn::Wait
            }
        }
    }

    /// Does something that makes tasks ready: keeps one to go on with, and puts the others where
    /// any driver can take them.
    #[inline]
    fn passing(&mut self, settle: impl FnOnce(&Execution, &mut Passing<'_>)) {
        let mut passing = Passing {
            agent: &self.agent,
            role: &mut self.role,
            next: self.next.take(),
            pause: &mut self.pause,
            shared: false,
        };
        settle(&self.agent, &mut passing);
        self.next = passing.next;
        if passing.shared {
            self.agent.call_driver();
        }
    }

    /// Goes on with an end that was too long for one go.
    #[cold]
    fn go_on(&mut self, ending: Ending) -> Turn {
        self.passing(|run, ready| run.go_on(ending, ready));
        Turn::Next
    }
}

/// Where the tasks go that a task made ready when it ended.
pub(crate) struct Passing<'a> {
    agent: &'a Agent,
    role: &'a mut Role,
    next: Option<u32>,
    pause: &'a mut bool,
    /// Whether another driver could help.
    shared: bool,
}

impl Passing<'_> {
    /// Puts a task where any driver can take it.
    #[inline]
    fn share(&mut self, task: u32) {
        match self.role {
            Role::Driver(worker) => {
                let ready = &self.agent.ready;
                Desk { ready, worker }.push(task);
                self.shared = true;
            }
            Role::Lone => self.agent.send(Sent::Task(task, None)),
        }
    }
}

impl Pass for Passing<'_> {
    #[inline]
    fn pass(&mut self, task: u32) {
        // They come in reverse order: the one kept is the first declared, and the desk gives back
        // the others in order.
        if let Some(before) = self.next.replace(task) {
            self.share(before);
        }
    }

    #[cold]
    fn pause(&mut self, rest: Ending) {
        if let Some(task) = self.next.take() {
            self.share(task);
        }
        *self.pause = true;
        if !rest.is_empty() {
            // Any driver can go on with that, too.
            self.agent.send(Sent::Ending(Box::new(rest)));
        }
    }
}

impl Future for Drive {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.get_mut().work(cx)
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            unwind::contain(|| drop(held.job));
            if let Some(place) = held.place {
                self.agent.wait_no_more(place);
            }
        }
        if let Role::Driver(_) = self.role {
            self.agent.roster.leave();
        }
    }
}

/// A driver on its way, which does not keep the run alive until it is there.
pub(crate) struct Invited {
    run: Weak<Execution>,
    drive: Option<Drive>,
}

impl Invited {
    pub(crate) fn new(agent: &Agent) -> Self {
        Self {
            run: agent.downgrade(),
            drive: None,
        }
    }
}

impl Future for Invited {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.drive.is_none() {
            let Some(agent) = Agent::upgrade(&std::mem::take(&mut this.run)) else {
                return Poll::Ready(());
            };
            if !agent.roster.join() {
                return Poll::Ready(());
            }
            this.drive = Some(Drive::driver(agent));
        }
        match this.drive.as_mut().map(|drive| drive.work(cx)) {
            Some(Poll::Pending) => Poll::Pending,
            _ => {
                // At once, not when the runtime gets round to it: the run may be waiting for it.
                this.drive = None;
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Invited {
    fn drop(&mut self) {
        // Empty once it has come.
        if let Some(agent) = Agent::upgrade(&self.run) {
            agent.roster.decline();
        }
    }
}
