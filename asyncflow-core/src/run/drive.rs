//! Drivers: futures that work through ready tasks.
//!
//! A [`Drive`] has one of two roles. A *driver* is [counted](super::driver_count), and takes tasks
//! from wherever there are any. It creates a task's future and polls it once, with its own waker. If
//! the future is ready, the driver goes on with the first task that this made ready, and leaves the
//! others where any driver can take them. If it is pending, the future moves to a `Drive` of its own
//! in the other role, *waiting*, which the runtime polls when it is woken. If there is nothing else
//! to do, the driver changes its role instead and waits itself.
//!
//! When the future that a drive waited for is ready, the drive goes on with what that made ready. So
//! a chain of tasks that wait needs one spawn in all.
//!
//! A future that moves has left its driver's waker with what it waits for. That does no harm: it is
//! polled again at once in its new place, and leaves the new waker there. The driver may be woken
//! once for nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use crossbeam_deque::Worker;

use crate::graph::body::{AsyncBody, Job, JobEnd, NotStored};
use crate::graph::storage::RunStorage;
use crate::node_index::NodeIndex;
use crate::task::end::End;
use crate::task::failure::Cause;
use crate::task::statuses::Status;
use crate::unwind;

use super::blocking_call::BlockingCall;
use super::concurrency_limit::Slot;
use super::current::CurrentRun;
use super::execution::Execution;
use super::guard::RunGuard;
use super::observers::{Observed, Watch};
use super::ready_queues::{Injected, LocalQueue};
use super::settle::{Announcements, ReadySink, ReadyTasks};
use super::step::Step;
use super::stop_list::StopKey;
use super::supervise;
use super::time_slice::TimeSlice;

/// Every how many tasks a driver looks at the injector before its local queue.
const INJECTOR_INTERVAL: u32 = 16;

pub(crate) struct Drive {
    state: DriveState,
    current: CurrentRun,
    /// Dropped after the state, whose shares it outlives.
    guard: RunGuard,
}

/// Apart from the guard, so that what is borrowed from the run does not keep this from changing.
struct DriveState {
    /// The future that waits, if one does.
    waiting: Option<Waiting>,
    /// A share in the storage, lent to each task's future and handed back by it. So a task that finishes at
    /// once touches no reference count.
    spare: Option<Arc<RunStorage>>,
    role: Role,
    /// What to do next.
    next: Option<NodeIndex>,
    /// Whether the runtime is to get a turn first. Then there is nothing next.
    pause: bool,
    /// Where a drive without a local queue collects tasks that became ready, before it injects them.
    others: ReadyTasks,
    slice: TimeSlice,
    /// Where to look first. Changes with every slice, so that a chain of long tasks does not keep
    /// others from starting.
    first_look: Look,
}

/// The places where a driver looks for tasks.
#[derive(Clone, Copy)]
enum Look {
    LocalQueue,
    Injector,
    Roots,
}

enum Role {
    /// Counted, with a local queue if it has needed one so far.
    Driver(Option<Worker<NodeIndex>>),
    Waiting,
}

/// A future that waits.
struct Waiting {
    task: NodeIndex,
    job: Job,
    /// Its entry in the list of wakers that are woken when the run stops.
    key: Option<StopKey>,
    /// Whether it ends by itself when the run stops. Any other is dropped.
    sees_stop: bool,
}

/// Whether a [`Drive`] can go on.
enum Turn {
    Next,
    /// It holds a future that waits.
    Wait,
}

impl Drive {
    /// A driver that has been counted.
    pub(crate) fn driver(guard: RunGuard) -> Self {
        Self::new(guard, Role::Driver(None), None)
    }

    fn new(guard: RunGuard, role: Role, waiting: Option<Waiting>) -> Self {
        let state = DriveState {
            waiting,
            spare: None,
            role,
            next: None,
            pause: false,
            others: ReadyTasks::new(),
            slice: TimeSlice::of_driver(),
            first_look: Look::LocalQueue,
        };
        Self {
            state,
            current: CurrentRun::new(&guard),
            guard,
        }
    }

    /// A drive for a future that waits, and settles its task itself, if at all.
    pub(crate) fn of_job(guard: RunGuard, task: NodeIndex, job: Job) -> Self {
        let waiting = Waiting {
            task,
            job,
            key: None,
            sees_stop: true,
        };
        Self::new(guard, Role::Waiting, Some(waiting))
    }

    pub(crate) fn guard(&self) -> &RunGuard {
        &self.guard
    }
}

impl DriveState {
    fn work(&mut self, guard: &RunGuard, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(waiting) = self.waiting.take() {
            if let Turn::Wait = self.wait(guard, waiting, cx) {
                return Poll::Pending;
            }
        }
        self.slice.begin();
        loop {
            let turn = match self.next.take() {
                Some(task) => self.start(guard, task, None, cx),
                None if self.pause => break,
                None => match self.find(guard) {
                    Some(Injected::Task(task, slot)) => self.start(guard, task, slot, cx),
                    Some(Injected::Announcements(ended)) => self.announce(guard, *ended),
                    None if self.retire(guard) => return Poll::Ready(()),
                    None => Turn::Next,
                },
            };
            if let Turn::Wait = turn {
                return Poll::Pending;
            }
            if self.slice.is_over() {
                break;
            }
        }
        self.end_slice(guard);
        // The waker is the caller's if this is the first driver, and may panic.
        unwind::contain(|| cx.waker().wake_by_ref());
        Poll::Pending
    }

    /// Lets others have the next task while the runtime does something else, and puts it behind what
    /// has waited.
    fn end_slice(&mut self, guard: &RunGuard) {
        self.pause = false;
        if let Role::Driver(_) = self.role {
            if let Some(task) = self.next.take() {
                guard.ready.inject(Injected::Task(task, None));
            }
            self.first_look = match self.first_look {
                Look::LocalQueue => Look::Roots,
                Look::Roots => Look::Injector,
                Look::Injector => Look::LocalQueue,
            };
        }
    }

    /// The next task for a driver.
    fn find(&mut self, guard: &RunGuard) -> Option<Injected> {
        let Role::Driver(queue) = &mut self.role else {
            return None;
        };
        let ready = &guard.ready;
        if self.slice.tasks() % INJECTOR_INTERVAL == 0 {
            let look = match self.slice.tasks() {
                0 => self.first_look,
                _ => Look::Injector,
            };
            let found = look_first(look, guard, queue);
            if found.is_some() {
                return found;
            }
        }
        if let Some(task) = queue.as_ref().and_then(Worker::pop) {
            return Some(Injected::Task(task, None));
        }
        if let Some(injected) = ready.take_injected() {
            return Some(injected);
        }
        let mut local = LocalQueue { ready, queue };
        local.claim_roots(guard).or_else(|| local.steal(guard))
    }

    /// Stops being a driver because there is no task. Returns `false` if there is one after all.
    fn retire(&mut self, guard: &RunGuard) -> bool {
        let Role::Driver(queue) = &mut self.role else {
            return true;
        };
        // Before it leaves: there are at most as many queues in use as drivers.
        if let Some(queue) = queue.take() {
            guard.ready.give_back(queue);
        }
        guard.drivers.leave();
        if guard.ready.any(guard.roots()) && guard.drivers.rejoin() {
            return false;
        }
        self.role = Role::Waiting;
        true
    }

    /// Takes up a ready task.
    #[inline]
    fn start(
        &mut self,
        guard: &RunGuard,
        task: NodeIndex,
        slot: Option<Slot>,
        cx: &mut Context<'_>,
    ) -> Turn {
        match guard.step(task) {
            Step::Poll(body) => {
                let share = self
                    .spare
                    .take()
                    .unwrap_or_else(|| Arc::clone(&guard.storage));
                self.poll_new(guard, task, cx, false, || body.start(share, task, None))
            }
            Step::PollWatched(body, watch) => self.start_watched(guard, task, body, watch, cx),
            Step::Call => {
                guard.call_blocking(BlockingCall::simple(task));
                Turn::Next
            }
            Step::Supervise => match supervise::start(guard, task, slot) {
                Some(job) => self.poll_new(guard, task, cx, true, || job),
                None => Turn::Next,
            },
            Step::End(status) => {
                self.settling(guard, |run, ready| run.end(task, status, ready));
                Turn::Next
            }
        }
    }

    #[cold]
    fn start_watched(
        &mut self,
        guard: &RunGuard,
        task: NodeIndex,
        body: &dyn AsyncBody,
        watch: &Watch,
        cx: &mut Context<'_>,
    ) -> Turn {
        watch.permitted(task);
        watch.started(task, 1);
        self.poll_new(guard, task, cx, false, || {
            Observed::start(body, guard.share(), task, 1, None)
        })
    }

    /// Creates a future and polls it once.
    #[inline]
    fn poll_new(
        &mut self,
        guard: &RunGuard,
        task: NodeIndex,
        cx: &mut Context<'_>,
        supervised: bool,
        create: impl FnOnce() -> Job,
    ) -> Turn {
        let mut created = None;
        let polled = unwind::catch(|| created.insert(create()).as_mut().poll(cx));
        match (polled, created) {
            (Ok(Poll::Ready((share, None))), job) => {
                self.spare = Some(share);
                // It is done, so it holds nothing of the user's.
                drop(job);
                self.settling(guard, |run, ready| run.end(task, Status::Succeeded, ready));
                Turn::Next
            }
            (Ok(Poll::Pending), Some(job)) => {
                let waiting = Waiting {
                    task,
                    job,
                    key: None,
                    sees_stop: supervised || guard.node(task).nested().is_some(),
                };
                self.find_place(guard, waiting, cx)
            }
            (polled, job) => {
                self.close(guard, task, job, polled);
                Turn::Next
            }
        }
    }

    /// Drops a future that is done, and settles its task.
    #[cold]
    fn close(&mut self, guard: &RunGuard, task: NodeIndex, job: Option<Job>, polled: Polled) {
        unwind::contain(|| drop(job));
        let end = match polled {
            Ok(Poll::Ready((share, not_stored))) => {
                self.spare = Some(share);
                match not_stored.map(|not_stored| *not_stored) {
                    None => End::Succeeded,
                    Some(NotStored::Ended(end)) => end,
                    Some(NotStored::HandedOver) => return,
                }
            }
            // Dropped because the run stopped.
            Ok(Poll::Pending) => End::Cancelled,
            Err(payload) => End::Failed(Cause::panic(payload)),
        };
        self.settling(guard, |run, ready| run.settle(task, end, ready));
    }

    /// Finds a place for a future that is pending: another drive, or this one if it has nothing
    /// else to do.
    fn find_place(&mut self, guard: &RunGuard, waiting: Waiting, cx: &mut Context<'_>) -> Turn {
        if let Role::Driver(queue) = &self.role {
            let ready = &guard.ready;
            let busy = self.next.is_some()
                || queue.as_ref().is_some_and(|queue| !queue.is_empty())
                || ready.any(guard.roots());
            if busy || !self.retire(guard) {
                guard.spawn(Drive::new(guard.clone(), Role::Waiting, Some(waiting)));
                return Turn::Next;
            }
        }
        self.wait(guard, waiting, cx)
    }

    /// Polls a future that waits, or drops it if the run has stopped.
    fn wait(&mut self, guard: &RunGuard, mut waiting: Waiting, cx: &mut Context<'_>) -> Turn {
        // Listed before it is polled or dropped: see the protocol in `stop_list`.
        let stops = guard.list(waiting.task, &mut waiting.key, cx.waker());
        let polled = match stops && !waiting.sees_stop {
            true => {
                // Its function was started, which its status does not tell.
                guard.note_attempts(waiting.task, 1);
                Ok(Poll::Pending)
            }
            false => match unwind::catch(|| waiting.job.as_mut().poll(cx)) {
                Ok(Poll::Pending) => {
                    self.waiting = Some(waiting);
                    return Turn::Wait;
                }
                done => done,
            },
        };
        if let Some(key) = waiting.key {
            guard.unlist(key);
        }
        self.close(guard, waiting.task, Some(waiting.job), polled);
        Turn::Next
    }

    /// Calls `settle`, which makes tasks ready: keeps one of them to go on with, and puts the others
    /// where any driver can take them.
    #[inline]
    fn settling(&mut self, guard: &RunGuard, settle: impl FnOnce(&Execution, &mut DriverSink<'_>)) {
        let mut sink = DriverSink {
            guard,
            role: &mut self.role,
            next: self.next.take(),
            pause: &mut self.pause,
            shared: false,
            others: &mut self.others,
        };
        settle(guard, &mut sink);
        self.next = sink.next;
        if sink.shared {
            guard.call_driver();
        }
        if !self.others.is_empty() {
            inject_in_order(guard, &mut self.others);
        }
    }

    #[cold]
    fn announce(&mut self, guard: &RunGuard, ended: Announcements) -> Turn {
        self.settling(guard, |run, ready| run.announce(ended, ready));
        Turn::Next
    }
}

/// Looks for a task where it is not looked for first otherwise.
#[cold]
fn look_first(
    look: Look,
    guard: &RunGuard,
    queue: &mut Option<Worker<NodeIndex>>,
) -> Option<Injected> {
    let ready = &guard.ready;
    match look {
        Look::LocalQueue => None,
        Look::Injector => ready.take_injected(),
        Look::Roots => LocalQueue { ready, queue }.claim_roots(guard),
    }
}

/// What came of polling a job.
type Polled = Result<Poll<JobEnd>, unwind::Payload>;

/// Injects tasks that were collected in the reverse order of declaration.
#[cold]
fn inject_in_order(guard: &RunGuard, tasks: &mut ReadyTasks) {
    for task in tasks.drain(..).rev() {
        guard.inject(Injected::Task(task, None));
    }
}

/// Where a driver puts tasks that became ready.
struct DriverSink<'a> {
    guard: &'a RunGuard,
    role: &'a mut Role,
    next: Option<NodeIndex>,
    pause: &'a mut bool,
    /// Whether another driver could help.
    shared: bool,
    others: &'a mut ReadyTasks,
}

impl DriverSink<'_> {
    /// Puts a task where any driver can take it.
    #[inline]
    fn share(&mut self, task: NodeIndex) {
        match self.role {
            Role::Driver(queue) => {
                let ready = &self.guard.ready;
                LocalQueue { ready, queue }.push(task);
                self.shared = true;
            }
            Role::Waiting => self.others.push(task),
        }
    }
}

impl ReadySink for DriverSink<'_> {
    /// Tasks come in reverse order. So the one that is kept is the first declared, and the local
    /// queue gives back the others in order.
    #[inline]
    fn push(&mut self, task: NodeIndex) {
        if let Some(before) = self.next.replace(task) {
            self.share(before);
        }
    }

    #[cold]
    fn pause(&mut self, rest: Announcements) {
        if let Some(task) = self.next.take() {
            self.share(task);
        }
        inject_in_order(self.guard, self.others);
        *self.pause = true;
        if !rest.is_empty() {
            // Any driver can go on with it.
            self.guard.inject(Injected::Announcements(Box::new(rest)));
        }
    }
}

impl Future for Drive {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self {
            state,
            current,
            guard,
        } = self.get_mut();
        current.enter(|| state.work(guard, cx))
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        if let Some(waiting) = self.state.waiting.take() {
            unwind::contain(|| drop(waiting.job));
            if let Some(key) = waiting.key {
                self.guard.unlist(key);
            }
        }
        if let Role::Driver(_) = self.state.role {
            self.guard.drivers.leave();
        }
    }
}

/// A driver that was invited. It does not keep the run alive until it is polled.
pub(crate) struct Invited {
    run: Weak<Execution>,
    drive: Option<Drive>,
}

impl Invited {
    pub(crate) fn new(guard: &RunGuard) -> Self {
        Self {
            run: guard.downgrade(),
            drive: None,
        }
    }
}

impl Future for Invited {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.drive.is_none() {
            let Some(guard) = RunGuard::upgrade(&std::mem::take(&mut this.run)) else {
                return Poll::Ready(());
            };
            if !guard.drivers.join() {
                return Poll::Ready(());
            }
            this.drive = Some(Drive::driver(guard));
        }
        match this.drive.as_mut().map(|drive| Pin::new(drive).poll(cx)) {
            Some(Poll::Pending) => Poll::Pending,
            _ => {
                // Now, not when the runtime drops this: the run may wait for it.
                this.drive = None;
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Invited {
    fn drop(&mut self) {
        // Empty once it has been polled.
        if let Some(guard) = RunGuard::upgrade(&self.run) {
            guard.drivers.decline();
        }
    }
}
