//! Drivers: futures that work through ready tasks.
//!
//! A driver takes tasks from wherever there are any. It creates a task's future and polls it once,
//! with its own waker. If the future is ready, the driver goes on with the first task that this made
//! ready, and leaves the others where any driver can take them. If it is pending, the future goes to
//! the [scheduler](super::scheduler), where it has a waker of its own. A driver also takes the tasks
//! that were woken there, and polls them.
//!
//! A future that is given a place has left its driver's waker with what it waits for. That does no
//! harm: it is polled again soon, and leaves its own waker there. The driver may be woken once for
//! nothing. A future that is known to wait has a place before its first poll.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use crossbeam_deque::Worker;
use smallvec::SmallVec;

use crate::graph::body::{AsyncBody, Job, JobEnd, NotStored};
use crate::graph::storage::RunStorage;
use crate::graph::turn_cost::WAKE_UP;
use crate::node_index::NodeIndex;
use crate::task::end::End;
use crate::task::failure::Cause;
use crate::task::statuses::Status;
use crate::unwind;

use super::blocking_call::BlockingCall;
use super::concurrency_limit::Slot;
use super::current::CurrentRun;
use super::driver_count::Retired;
use super::execution::Execution;
use super::guard::RunGuard;
use super::observers::{Observed, Watch};
use super::places::{Waiting, Woken};
use super::ready_queues::{Injected, LocalQueue};
use super::settle::{Announcements, ReadySink, ReadyTasks};
use super::step::Step;
use super::supervise::{self, Started};
use super::time_slice::{MOST_BETWEEN, Reading, TimeSlice};

/// Every how many tasks a driver looks at the injector before its local queue.
const INJECTOR_INTERVAL: u32 = 16;

/// How long the polls of tasks that are resumed take, on average, if it pays to share them. Whatever one of
/// them touches is moved between cores otherwise. 10,000 tasks that yield ten times were measured to take
/// 2.3 µs each with two drivers, and 1.3 with one.
pub(super) const SHARED: Duration = Duration::from_micros(2);

pub(crate) struct Drive {
    state: DriveState,
    current: CurrentRun,
    /// Dropped after the state, whose shares it outlives.
    guard: RunGuard,
}

/// Apart from the guard, so that what is borrowed from the run does not keep this from changing.
struct DriveState {
    /// A share in the storage, lent to each task's future and handed back by it. So a task that finishes at
    /// once touches no reference count.
    spare: Option<Arc<RunStorage>>,
    /// The local queue, if the run has them and this driver has needed one so far.
    queue: Option<Worker<NodeIndex>>,
    /// What to do next.
    next: Option<NodeIndex>,
    /// Whether that was taken from among others that became ready with it.
    has_siblings: bool,
    /// How many slices of time it has begun.
    slices: u32,
    /// Whether the runtime is to get a turn first. Then there is nothing next.
    pause: bool,
    /// Tasks that became ready, before they are shared. In the reverse order of declaration.
    others: ReadyTasks,
    slice: TimeSlice,
    /// How many tasks were resumed in this slice.
    resumed: u32,
    /// Whether the slice is over, and another begins with the next poll.
    paused: bool,
    /// The places of tasks that woke themselves in this slice. They are polled again when the runtime
    /// has had a turn: they want to give others theirs, or have used up what one task of the runtime
    /// may do in a turn, as on Tokio.
    yielded: SmallVec<[u32; 4]>,
    /// Whether it is counted as a driver, which it is until it retires.
    counted: bool,
    /// Where to look first. Changes with every slice, so that a chain of long tasks does not keep
    /// others from starting.
    first_look: Look,
}

/// The places where a driver that has a local queue looks for tasks.
#[derive(Clone, Copy)]
enum Look {
    LocalQueue,
    Injector,
    Roots,
}

impl Drive {
    /// A driver that has been counted.
    pub(crate) fn new(guard: RunGuard) -> Self {
        let state = DriveState {
            spare: None,
            queue: None,
            next: None,
            has_siblings: false,
            slices: 0,
            pause: false,
            others: ReadyTasks::new(),
            slice: TimeSlice::of_driver(guard.tasks),
            resumed: 0,
            paused: false,
            yielded: SmallVec::new(),
            counted: true,
            first_look: Look::LocalQueue,
        };
        Self {
            state,
            current: CurrentRun::new(&guard),
            guard,
        }
    }
}

impl DriveState {
    fn work(&mut self, guard: &RunGuard, cx: &mut Context<'_>) -> Poll<Retired> {
        if self.paused {
            self.begin_slice(guard);
        }
        let leaves = loop {
            match self.next.take() {
                Some(task) => self.start(guard, task, None, cx),
                None if self.pause => break false,
                None if self.turn() % 2 == 0 && self.resume_next(guard) => {}
                None => match self.find(guard) {
                    Some(Injected::Task(task, slot)) => self.start(guard, task, slot, cx),
                    Some(Injected::Announcements(ended)) => self.announce(guard, *ended),
                    None if self.resume_next(guard) => {}
                    None if !self.yielded.is_empty() => break false,
                    None => match self.retire(guard) {
                        Some(retired) => return Poll::Ready(retired),
                        None => continue,
                    },
                },
            }
            match self.slice.count() {
                Some(Reading::Since(elapsed)) if elapsed >= WAKE_UP && guard.has_more_work() => {
                    let short = self.note_resumes(guard, elapsed);
                    guard.scheduler.call(guard, !short);
                }
                None | Some(Reading::Since(_)) => {}
                Some(Reading::Enough(elapsed)) => break self.note_resumes(guard, elapsed),
                Some(Reading::Over) => {
                    guard.set_short_resumes(false);
                    if self.has_siblings {
                        self.put_back_next(guard);
                    }
                    guard.ready.age();
                    break false;
                }
            }
        };
        self.end_slice(guard);
        if leaves {
            if let Some(retired) = self.leave_to_others(guard) {
                return Poll::Ready(retired);
            }
        }
        // The waker is the caller's if this is the home, and may panic.
        unwind::contain(|| cx.waker().wake_by_ref());
        Poll::Pending
    }

    #[cold]
    fn begin_slice(&mut self, guard: &RunGuard) {
        self.paused = false;
        self.slices = self.slices.wrapping_add(1);
        self.resumed = 0;
        self.slice.begin(guard.tasks);
        if guard.short_resumes() {
            self.slice.read_soon();
        }
    }

    /// Takes note of whether at least half of what this driver did was to resume tasks, and these are short.
    /// Returns that.
    fn note_resumes(&self, guard: &RunGuard, elapsed: Duration) -> bool {
        let tasks = self.slice.tasks();
        let short = 2 * self.resumed >= tasks && elapsed < SHARED * tasks;
        guard.set_short_resumes(short);
        short
    }

    /// Leaves what is woken to another driver, if there is one. Called between two slices.
    fn leave_to_others(&mut self, guard: &RunGuard) -> Option<Retired> {
        if !self.queue.as_ref().is_none_or(Worker::is_empty) {
            return None;
        }
        self.give_back_queue(guard);
        let retired = guard.scheduler.drivers.leave_to_others();
        self.counted = retired.is_none();
        retired
    }

    /// Lets others have the next task while the runtime does something else, and puts it behind what
    /// has waited.
    #[cold]
    fn end_slice(&mut self, guard: &RunGuard) {
        self.note_turn(guard);
        self.pause = false;
        self.paused = true;
        guard.invite_to_resume();
        self.put_back_next(guard);
        if !self.yielded.is_empty() {
            guard.scheduler.queue(self.yielded.drain(..));
        }
        self.first_look = match self.first_look {
            Look::LocalQueue => Look::Roots,
            Look::Roots => Look::Injector,
            Look::Injector => Look::LocalQueue,
        };
    }

    fn note_turn(&self, guard: &RunGuard) {
        if let Some(took) = self.slice.elapsed() {
            guard.note_turn(took);
        }
    }

    /// Tasks that were woken and those that are ready take turns, also if each takes a slice of time.
    fn turn(&self) -> u32 {
        self.slice.tasks().wrapping_add(self.slices)
    }

    fn put_back_next(&mut self, guard: &RunGuard) {
        if let Some(task) = self.next.take() {
            let task = Injected::Task(task, None);
            guard.ready.inject(guard.graph(), [task]);
        }
    }

    /// Polls a task that was woken, if there is one.
    #[inline]
    fn resume_next(&mut self, guard: &RunGuard) -> bool {
        guard.scheduler.woken() > 0 && self.take_and_resume(guard)
    }

    #[inline(never)]
    fn take_and_resume(&mut self, guard: &RunGuard) -> bool {
        if guard.short_resumes() && guard.scheduler.woken() > 1 {
            self.resume_several(guard);
            return true;
        }
        let Some(woken) = guard.scheduler.take_woken() else {
            return false;
        };
        self.resumed += 1;
        guard.invite_to_resume();
        self.resume(guard, woken);
        self.share_woken(guard);
        true
    }

    /// The next ready task.
    #[inline]
    fn find(&mut self, guard: &RunGuard) -> Option<Injected> {
        let ready = &guard.ready;
        if !ready.in_order() {
            return self.find_anywhere(guard);
        }
        let found = ready.take_shared(guard.graph(), guard.roots())?;
        guard.invite_to_start();
        Some(found)
    }

    /// The next task in a run that has local queues.
    #[inline]
    fn find_anywhere(&mut self, guard: &RunGuard) -> Option<Injected> {
        let ready = &guard.ready;
        let injected = || ready.take_shared(guard.graph(), guard.roots());
        let queue = &mut self.queue;
        if self.slice.tasks() % INJECTOR_INTERVAL == 0 {
            let look = match self.slice.tasks() {
                0 => self.first_look,
                _ => Look::Injector,
            };
            let found = match look {
                Look::LocalQueue => None,
                Look::Injector => injected(),
                Look::Roots => LocalQueue { ready, queue }.claim_roots(guard),
            };
            if found.is_some() {
                return found;
            }
        }
        if let Some(task) = queue.as_ref().and_then(Worker::pop) {
            return Some(Injected::Task(task, None));
        }
        if let Some(injected) = injected() {
            return Some(injected);
        }
        let mut local = LocalQueue { ready, queue };
        local.claim_roots(guard).or_else(|| local.steal(guard))
    }

    /// Called before it leaves: there are at most as many queues in use as drivers.
    fn give_back_queue(&mut self, guard: &RunGuard) {
        if let Some(queue) = self.queue.take() {
            guard.ready.give_back(queue);
        }
    }

    /// Stops being a driver because there is no task, unless there is one after all.
    fn retire(&mut self, guard: &RunGuard) -> Option<Retired> {
        self.give_back_queue(guard);
        self.note_turn(guard);
        let retired = guard.scheduler.drivers.retire(|| guard.has_work());
        self.counted = retired.is_none();
        retired
    }

    /// Takes up a ready task.
    #[inline]
    fn start(
        &mut self,
        guard: &RunGuard,
        task: NodeIndex,
        slot: Option<Slot>,
        cx: &mut Context<'_>,
    ) {
        match guard.step(task) {
            Step::Poll(body) => {
                let share = self
                    .spare
                    .take()
                    .unwrap_or_else(|| Arc::clone(&guard.storage));
                self.poll_new(guard, task, cx, false, || body.start(share, task, None));
            }
            Step::PollWatched(body, watch) => self.start_watched(guard, task, body, watch, cx),
            Step::Call => guard.call_blocking(BlockingCall::simple(task)),
            Step::Supervise => self.start_supervised(guard, task, slot, cx),
            Step::End(status) => {
                self.settling(guard, |run, ready| run.end(task, status, ready));
            }
        }
    }

    fn start_supervised(
        &mut self,
        guard: &RunGuard,
        task: NodeIndex,
        slot: Option<Slot>,
        cx: &mut Context<'_>,
    ) {
        // The locks are the runtime's, and may panic.
        match unwind::catch(|| supervise::start(guard, task, slot)) {
            Err(payload) => self.close(guard, task, None, Err(payload)),
            Ok(Started::Future(job)) => self.poll_new(guard, task, cx, true, || job),
            Ok(Started::Waits(job)) => {
                let waiting = Waiting {
                    task,
                    job,
                    sees_stop: true,
                };
                if let Some(woken) = guard.scheduler.admit(guard, waiting) {
                    self.resume(guard, woken);
                }
            }
            Ok(Started::Parked) => {}
        }
        self.share_woken(guard);
    }

    /// Invites another driver for what is woken if this one goes on with something else. A task that
    /// gives its lock to another leaves that to the driver that polls it.
    fn share_woken(&self, guard: &RunGuard) {
        if self.next.is_some() {
            guard.invite_to_resume();
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
    ) {
        watch.permitted(task);
        watch.started(task, 1);
        self.poll_new(guard, task, cx, false, || {
            Observed::start(body, guard.share(), task, 1, None)
        });
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
    ) {
        let mut created = None;
        let polled = unwind::catch(|| created.insert(create()).as_mut().poll(cx));
        match (polled, created) {
            (Ok(Poll::Ready((share, None))), job) => {
                self.spare = Some(share);
                // It is done, so it holds nothing of the user's.
                drop(job);
                self.settling(guard, |run, ready| run.end(task, Status::Succeeded, ready));
            }
            (Ok(Poll::Pending), Some(job)) => {
                let waiting = Waiting {
                    task,
                    job,
                    sees_stop: supervised || guard.node(task).nested().is_some(),
                };
                guard.scheduler.insert(guard, waiting);
            }
            (polled, job) => self.close(guard, task, job, polled),
        }
    }

    /// Polls as many tasks that were woken as the slice does without reading the clock. They are short, so
    /// they are taken out and put back together: each time takes the lock of the scheduler.
    fn resume_several(&mut self, guard: &RunGuard) {
        let mut several = SmallVec::<[Woken; MOST_BETWEEN as usize]>::new();
        let most = self.slice.until_reading() as usize;
        guard.scheduler.take_several(most, &mut several);
        let taken = several.len() as u32;
        self.resumed += taken;
        // The last is counted by the caller.
        self.slice.count_unread(taken.saturating_sub(1));
        let mut pending = 0;
        while let Some(woken) = several.get_mut(pending) {
            match poll_again(guard, woken) {
                None => pending += 1,
                Some(polled) => {
                    let woken = several.remove(pending);
                    self.close_woken(guard, woken, polled);
                }
            }
        }
        guard.scheduler.put_back_several(several, &mut self.yielded);
        self.share_woken(guard);
    }

    /// Polls a future that was woken, or drops it if the run has stopped.
    fn resume(&mut self, guard: &RunGuard, mut woken: Woken) {
        match poll_again(guard, &mut woken) {
            None => self.yielded.extend(guard.scheduler.put_back(woken)),
            Some(polled) => self.close_woken(guard, woken, polled),
        }
    }

    /// Vacates the place of a future that is done or has to stop, and settles its task.
    fn close_woken(&mut self, guard: &RunGuard, woken: Woken, polled: Polled) {
        let Waiting { task, job, .. } = guard.scheduler.vacate(woken);
        if let Ok(Poll::Pending) = polled {
            // Its function was started, which its status does not tell.
            guard.note_attempts(task, 1);
        }
        self.close(guard, task, Some(job), polled);
    }

    /// Drops a future that is done, and settles its task.
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

    /// Calls `settle`, which makes tasks ready: keeps one of them to go on with, and puts the others
    /// where any driver can take them.
    #[inline]
    fn settling(&mut self, guard: &RunGuard, settle: impl FnOnce(&Execution, &mut DriverSink<'_>)) {
        let mut sink = DriverSink {
            guard,
            queue: &mut self.queue,
            next: self.next.take(),
            pause: &mut self.pause,
            shared: false,
            others: &mut self.others,
        };
        settle(guard, &mut sink);
        self.next = sink.next;
        self.has_siblings = false;
        if sink.shared {
            guard.scheduler.call(guard, !guard.short_resumes());
        }
        if guard.ready.in_order()
            && self.next.is_some()
            && (!self.others.is_empty() || guard.ready.any_shared(guard.roots()))
        {
            self.share_in_order(guard);
        }
    }

    /// Shares tasks in a run that keeps them in order, and takes the first of all.
    fn share_in_order(&mut self, guard: &RunGuard) {
        self.has_siblings = !self.others.is_empty();
        self.others.extend(self.next);
        let ready = &guard.ready;
        self.next = ready.share_in_order(guard.graph(), guard.roots(), &self.others);
        self.others.clear();
        guard.invite_to_start();
    }

    #[cold]
    fn announce(&mut self, guard: &RunGuard, ended: Announcements) {
        self.settling(guard, |run, ready| run.announce(ended, ready));
    }
}

/// What came of polling a job.
type Polled = Result<Poll<JobEnd>, unwind::Payload>;

/// Polls a future that was woken. `None` if it is pending, and `Ok(Poll::Pending)` if it is not polled because
/// the run has stopped.
#[inline]
fn poll_again(guard: &RunGuard, woken: &mut Woken) -> Option<Polled> {
    let Waiting {
        task, sees_stop, ..
    } = woken.waiting;
    if !sees_stop && guard.stops_task(task) {
        return Some(Ok(Poll::Pending));
    }
    match unwind::catch(|| woken.poll()) {
        Ok(Poll::Pending) => None,
        polled => Some(polled),
    }
}

/// Where a driver puts tasks that became ready.
struct DriverSink<'a> {
    guard: &'a RunGuard,
    queue: &'a mut Option<Worker<NodeIndex>>,
    next: Option<NodeIndex>,
    pause: &'a mut bool,
    /// Whether something was pushed to the local queue.
    shared: bool,
    others: &'a mut ReadyTasks,
}

impl DriverSink<'_> {
    /// Puts a task where any driver can take it, at the latest when all are known.
    #[inline]
    fn share(&mut self, task: NodeIndex) {
        let (ready, queue) = (&self.guard.ready, &mut *self.queue);
        match (LocalQueue { ready, queue }).push(task) {
            true => self.shared = true,
            false => self.others.push(task),
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
        let tasks = self.others.drain(..);
        let tasks = tasks.map(|task| Injected::Task(task, None));
        // Any driver can go on with it.
        let rest = (!rest.is_empty()).then(|| Injected::Announcements(Box::new(rest)));
        self.guard.inject_all(tasks.chain(rest));
        *self.pause = true;
    }
}

impl Future for Drive {
    type Output = Retired;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Retired> {
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
        let scheduler = &self.guard.scheduler;
        if self.state.counted && scheduler.drivers.leave_behind(|| self.guard.has_work()) {
            // The runtime drops it in the midst of its work. The home goes on with that.
            scheduler.call(&self.guard, false);
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
            if !guard.scheduler.drivers.join() {
                return Poll::Ready(());
            }
            this.drive = Some(Drive::new(guard));
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
            guard.scheduler.drivers.decline();
        }
    }
}
