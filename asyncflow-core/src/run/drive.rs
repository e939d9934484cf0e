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
use std::sync::Weak;
use std::task::{Context, Poll};

use crossbeam_deque::Worker;

use crate::declare::function::{Body, Job};

use super::agent::Agent;
use super::blocking::Call;
use super::end::{End, PanicPayload};
use super::execution::{Execution, Step};
use super::ready::{Desk, Sent};
use super::supervise;
use super::unwind;
use super::waiting::Place;

/// After how many tasks a driver lets the runtime do something else.
const BUDGET: u32 = 64;

/// Every how many tasks a driver looks at what was sent before it looks at its desk.
const FAIR: u32 = 16;

pub(crate) struct Drive {
    agent: Agent,
    /// A second share, lent to each task's future and handed back by it: so starting a task that
    /// finishes at once touches no reference count.
    spare: Option<Agent>,
    role: Role,
    /// The future that waits, if one does.
    held: Option<Held>,
    /// What to do next.
    next: Option<Sent>,
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
            spare: None,
            role: Role::Driver(None),
            held: None,
            next: None,
        }
    }

    pub(crate) fn agent(&self) -> &Agent {
        &self.agent
    }

    fn work(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(held) = self.held.take()
            && let Turn::Wait = self.wait(held, cx)
        {
            return Poll::Pending;
        }
        for tick in 0..BUDGET {
            let Some(sent) = self.next.take().or_else(|| self.find(tick)) else {
                match self.retire() {
                    true => return Poll::Ready(()),
                    false => continue,
                }
            };
            if let Turn::Wait = self.start(sent, cx) {
                return Poll::Pending;
            }
        }
        // While the runtime does something else, others may have what this driver had in mind.
        if let Role::Driver(worker) = &mut self.role
            && let Some(Sent { task, slot: None }) = self.next
        {
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
        if tick % FAIR == FAIR - 1
            && let Some(sent) = ready.receive()
        {
            return Some(sent);
        }
        if let Some(task) = worker.as_ref().and_then(Worker::pop) {
            return Some(Sent { task, slot: None });
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
        Some(Sent { task, slot: None })
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
    fn start(&mut self, sent: Sent, cx: &mut Context<'_>) -> Turn {
        let Sent { task, slot } = sent;
        let (job, sees_stop) = match self.agent.step(task) {
            Step::Poll => {
                let Body::Async(body) = &self.agent.node(task).body else {
                    unreachable!("only async functions are polled");
                };
                if let Some(watch) = &self.agent.watch {
                    watch.permitted(task);
                    watch.started(task, 1);
                }
                let share = self.spare.take().unwrap_or_else(|| self.agent.clone());
                (body.start(share, task), body.sees_stop())
            }
            Step::Call => {
                self.agent.call_blocking(Call::simple(task));
                return Turn::Next;
            }
            Step::Supervise => match supervise::start(&self.agent, task, slot) {
                Some(job) => (job, true),
                None => return Turn::Next,
            },
            Step::End(status) => {
                self.passing(|agent, ready| agent.end(task, status, ready));
                return Turn::Next;
            }
        };
        let held = Held {
            task,
            job,
            place: None,
            sees_stop,
        };
        match self.poll(held, cx) {
            None => Turn::Next,
            Some(held) => self.pend(held, cx),
        }
    }

    /// Polls a future; gives it back if it is pending, and settles its task otherwise.
    fn poll(&mut self, mut held: Held, cx: &mut Context<'_>) -> Option<Held> {
        let end = match unwind::catch(|| held.job.as_mut().poll(cx)) {
            Ok(Poll::Pending) => return Some(held),
            Ok(Poll::Ready((share, end))) => {
                self.spare = Some(share);
                end
            }
            Err(payload) => End::Panicked(PanicPayload(payload)),
        };
        self.close(held, end);
        None
    }

    /// Drops a future and settles its task.
    fn close(&mut self, held: Held, end: End) {
        let Held {
            task, job, place, ..
        } = held;
        unwind::contain(|| drop(job));
        if let Some(place) = place {
            self.agent.wait_no_more(place);
        }
        self.passing(|agent, ready| agent.settle(task, end, ready));
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
        });
    }

    /// Polls a future that waits, and that hears of it when the run stops.
    fn wait(&mut self, mut held: Held, cx: &mut Context<'_>) -> Turn {
        // Listed before it is polled or dropped: see the protocol in `waiting`.
        let stops = self.agent.wait(held.task, &mut held.place, cx.waker());
        if stops && !held.sees_stop {
            self.close(held, End::Cancelled);
            return Turn::Next;
        }
        match self.poll(held, cx) {
            None => Turn::Next,
            Some(held) => {
                self.held = Some(held);
                Turn::Wait
            }
        }
    }

    /// Does something that makes tasks ready: keeps one to go on with, and puts the others where
    /// any driver can take them.
    fn passing(&mut self, settle: impl FnOnce(&Agent, &mut dyn FnMut(u32))) {
        let (agent, ready) = (&self.agent, &self.agent.ready);
        let next = &mut self.next;
        match &mut self.role {
            Role::Driver(worker) => {
                let mut desk = Desk { ready, worker };
                let mut shared = false;
                settle(agent, &mut |task| {
                    // They come in reverse order: the one kept is the first declared, and the
                    // desk gives back the others in order.
                    if let Some(before) = next.replace(Sent { task, slot: None }) {
                        desk.push(before.task);
                        shared = true;
                    }
                });
                if shared {
                    agent.call_driver();
                }
            }
            Role::Lone => settle(agent, &mut |task| {
                if let Some(before) = next.replace(Sent { task, slot: None }) {
                    agent.send(before);
                }
            }),
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
