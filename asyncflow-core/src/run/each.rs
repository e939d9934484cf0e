//! The elements of an [`each`](crate::each): a task that is many.
//!
//! A *worker* takes one element after the other, in the order of the list, and polls its future once. If
//! that is pending, the element waits in a place of its own in the [scheduler](super::scheduler). The
//! first worker is the future of the task. A worker that is at work for long invites one more while
//! elements are left, up to the parallelism of the runtime. Elements of a plain function are called by
//! blocking threads in the same way.
//!
//! A worker waits for the permits and the slot of its next element before it takes a further one. So
//! there is nothing in memory of an element that has not started.
//!
//! If the run is [recorded](super::recording), and so is the function, the task looks first for what it
//! can restore. Only the other elements are taken then.
//!
//! Workers and elements each have a [`Share`]. The task ends when the last share is dropped, in
//! whatever way: [`Arc::into_inner`] gives the state to exactly one thread, as for the end of a run. An
//! element without an output then shows that the task was cut short.

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use crate::graph::body::{AnyAttempt, Body, ElementJob, Elements, Job, JobEnd, NotStored};
use crate::graph::turn_cost::WAKE_UP;
use crate::node_index::NodeIndex;
use crate::oneshot;
use crate::pace::{poll_once, yield_now};
use crate::sort::sort_by_number;
use crate::sync::{Mutex, lock};
use crate::task::end::End;
use crate::task::failure::{Cause, Failure};
use crate::task::statuses::Status;
use crate::unwind;

use super::blocking_call::{BlockingCall, CallKind};
use super::concurrency_limit::Slot;
use super::guard::RunGuard;
use super::observers::Watch;
use super::places::Waiting;
use super::rate_limit::admit;
use super::recording::RestoredElements;
use super::supervise::{Subject, attempts};
use super::time_slice::{Reading, Tasks, TimeSlice};

/// The elements of one task in one run.
pub(crate) struct EachState {
    task: NodeIndex,
    elements: Arc<dyn Elements>,
    /// How many are to run.
    count: usize,
    /// Which those are, if not all of them.
    missing: Option<Vec<usize>>,
    /// Whether there are elements, and each has the output of an earlier execution.
    restored: bool,
    /// Whether elements need permits, a slot, a time limit and so on.
    supervised: bool,
    /// The next element to be taken, of those that are to run.
    next: AtomicUsize,
    workers: AtomicUsize,
    /// Set by the first failure, unless the run keeps going. Shared with attempts, which outlive this.
    stopped: Arc<AtomicBool>,
    failures: Mutex<Vec<(usize, Failure)>>,
    /// Of elements that have a fallback.
    recovered: Mutex<Vec<(usize, Failure)>>,
    done: oneshot::Sender<Ended>,
}

/// How a task ended that is many, and the failures of its elements that recovered.
struct Ended {
    end: End,
    recovered: Vec<Failure>,
}

/// A share in the elements of a task, which keeps it from ending.
pub(crate) struct Share(
    /// Present until it is dropped.
    Option<Arc<EachState>>,
);

impl Clone for Share {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Deref for Share {
    type Target = EachState;

    fn deref(&self) -> &EachState {
        let state = self.0.as_deref();
        state.expect("a share has its state until it is dropped")
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(state) = self.0.take().and_then(Arc::into_inner) {
            state.end();
        }
    }
}

impl EachState {
    fn end(self) {
        let in_order = |failures: Mutex<Vec<(usize, Failure)>>| {
            let mut failures = std::mem::take(&mut *lock(&failures));
            sort_by_number(&mut failures, |(index, _)| *index as u64);
            failures
                .into_iter()
                .map(|(_, failure)| failure)
                .collect::<Vec<_>>()
        };
        let failures = in_order(self.failures);
        let recovered = in_order(self.recovered);
        // Drops what the elements shared, whose `Drop` may panic.
        let complete = unwind::catch(|| self.elements.finish());
        let end = match complete {
            _ if !failures.is_empty() => End::Failed(Cause::Elements(failures.into())),
            Err(payload) => End::Failed(Cause::panic(payload)),
            Ok(true) if self.restored => End::Restored,
            Ok(true) if recovered.is_empty() => End::Succeeded,
            Ok(true) => End::Recovered,
            Ok(false) => End::Cancelled,
        };
        if let Err(unwanted) = self.done.send(Ended { end, recovered }) {
            unwanted.end.discard();
        }
    }

    /// Takes the next element, unless the task stops.
    fn take(&self, guard: &RunGuard) -> Option<usize> {
        if self.stops(guard) || !self.has_more() {
            return None;
        }
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        match &self.missing {
            Some(missing) => missing.get(next).copied(),
            None => (next < self.count).then_some(next),
        }
    }

    fn has_more(&self) -> bool {
        self.next.load(Ordering::Relaxed) < self.count
    }

    pub(super) fn stops(&self, guard: &RunGuard) -> bool {
        self.stopped.load(Ordering::Acquire) || guard.stops_task(self.task)
    }
}

/// One element of a task.
#[derive(Clone)]
pub(crate) struct Element {
    share: Share,
    index: usize,
}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Element").field(&self.index).finish()
    }
}

impl Element {
    pub(super) fn index(&self) -> usize {
        self.index
    }

    pub(super) fn task(&self) -> NodeIndex {
        self.share.task
    }

    /// The future of its function.
    pub(super) fn job(&self, attempt: Option<&AnyAttempt>) -> ElementJob {
        Arc::clone(&self.share.elements).start(self.index, attempt)
    }

    /// Calls its function, which is a plain one.
    pub(super) fn call(
        &self,
        guard: &RunGuard,
        attempt: Option<&AnyAttempt>,
        wanted: &dyn Fn() -> bool,
    ) -> End {
        let call = || self.share.elements.call(self.index, attempt, wanted);
        match unwind::catch(|| self.inside(guard, call)) {
            Ok(Ok(())) => End::Succeeded,
            Ok(Err(error)) => End::Failed(Cause::Error(error)),
            Err(payload) => End::Failed(Cause::panic(payload)),
        }
    }

    /// Calls code of its function, and tells the observers before and after.
    pub(super) fn inside<T>(&self, guard: &RunGuard, code: impl FnOnce() -> T) -> T {
        match &guard.watch {
            // The task has one attempt, whatever its elements have.
            Some(watch) => watch.inside(self.share.task, 1, code),
            None => code(),
        }
    }

    /// Stores an output that a fallback made.
    pub(super) fn put(&self, value: Box<dyn Any + Send + Sync>) {
        self.share.elements.put(self.index, value);
    }

    pub(super) fn stops(&self, guard: &RunGuard) -> bool {
        self.share.stops(guard)
    }

    pub(super) fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.share.stopped)
    }

    pub(super) fn failure(&self, guard: &RunGuard, cause: Cause) -> Failure {
        let (id, name) = (
            guard.graph().task_id(self.share.task),
            guard.graph().name(self.share.task),
        );
        Failure::new(id, format!("{name}[{}]", self.index), cause)
    }

    /// Takes note of a failure after which the fallback has made the output.
    pub(super) fn recovered(&self, failure: Failure) {
        lock(&self.share.recovered).push((self.index, failure));
    }

    fn tell<T>(&self, guard: &RunGuard, event: impl FnOnce(&Watch, ElementAt) -> T) {
        if let Some(watch) = &guard.watch {
            event(watch, (self.share.task, self.index));
        }
    }

    pub(super) fn started(&self, guard: &RunGuard, attempt: u32) {
        self.tell(guard, |watch, at| watch.element_started(at, attempt));
    }

    pub(super) fn attempt_failed(&self, guard: &RunGuard, attempt: u32, cause: &Cause) {
        self.tell(guard, |watch, at| watch.element_failed(at, attempt, cause));
    }

    /// Stops the other elements after a failure of this one, unless the run keeps going.
    pub(super) fn stop_others(&self, guard: &RunGuard) {
        if !guard.keep_going && !self.share.stopped.swap(true, Ordering::AcqRel) {
            guard.wake_all();
        }
    }

    /// Takes note of how the element ended. Its failure stops the others, unless the run keeps going.
    pub(super) fn ended(self, guard: &RunGuard, end: End) {
        let status = end.status();
        if let End::Failed(cause) = end {
            let failure = self.failure(guard, cause);
            lock(&self.share.failures).push((self.index, failure));
            self.stop_others(guard);
        }
        self.tell(guard, |watch, at| watch.element_ended(at, status));
    }
}

/// The task of an element, and its index.
pub(super) type ElementAt = (NodeIndex, usize);

/// The future of a task that is many.
pub(super) fn start(guard: &RunGuard, task: NodeIndex, slot: Option<Slot>) -> Job {
    let guard = guard.clone();
    Box::pin(async move {
        let end = run(&guard, task, slot).await;
        (Arc::clone(&guard.storage), NotStored::unless_succeeded(end))
    })
}

async fn run(guard: &RunGuard, task: NodeIndex, slot: Option<Slot>) -> End {
    if guard.stops_task(task) {
        return End::Cancelled;
    }
    let node = guard.node(task);
    let Body::Each(body) = &node.body else {
        unreachable!("only tasks that are many come here");
    };
    let elements = body.begin(Arc::clone(&guard.storage), task);
    let found = match guard.records(task) {
        true => match guard.restore_elements(task, &*elements).await {
            Some(found) => Some(found),
            None => {
                unwind::contain(|| drop(elements));
                return End::Cancelled;
            }
        },
        false => None,
    };
    let restored = found.as_ref().is_some_and(RestoredElements::is_all);
    if let Some(watch) = &guard.watch {
        if !restored {
            watch.permitted(task);
            watch.started(task, 1);
            watch.progress(task, 0, elements.count() as u64);
        }
        for index in found.iter().flat_map(|found| &found.restored) {
            watch.element_ended((task, *index), Status::Restored);
        }
    }
    let config = node.config.as_ref();
    let supervised = guard.limited || config.is_some_and(|config| config.supervised());
    let (missing, unreadable) = match found {
        Some(found) => (Some(found.missing), found.failures),
        None => (None, Vec::new()),
    };
    let (done, ending) = oneshot::channel();
    let share = Share(Some(Arc::new(EachState {
        task,
        count: missing.as_ref().map_or(elements.count(), Vec::len),
        // What is recorded is recorded by the supervisor.
        supervised: supervised || missing.is_some(),
        missing,
        restored,
        elements,
        next: AtomicUsize::new(0),
        workers: AtomicUsize::new(1),
        stopped: Arc::new(AtomicBool::new(false)),
        failures: Mutex::new(Vec::new()),
        recovered: Mutex::new(Vec::new()),
        done,
    })));
    for (index, cause) in unreadable {
        let share = share.clone();
        Element { share, index }.ended(guard, End::Failed(cause));
    }
    match body.is_async() || share.supervised {
        true => work(guard, share, slot).await,
        false => call_elements(guard, share),
    }
    match ending.await {
        Ok(Ended { end, recovered }) => {
            if let (End::Recovered, false) = (&end, recovered.is_empty()) {
                guard.keep_failure(guard.failure(task, Cause::Elements(recovered.into())));
            }
            end
        }
        Err(oneshot::Canceled) => End::Cancelled,
    }
}

/// Starts elements until there are no more.
async fn work(guard: &RunGuard, share: Share, mut slot: Option<Slot>) {
    let mut slice = TimeSlice::of_driver(Tasks::Unknown);
    if guard.invites_early() {
        invite(guard, &share);
    }
    while share.has_more() && !share.stops(guard) {
        let first = match share.supervised {
            false => None,
            true => match until_stop(guard, &share, admit(guard, share.task, slot.take())).await {
                Some(holds) => Some(holds),
                None => return,
            },
        };
        // Only now, so that elements start in the order of the list.
        let Some(index) = share.take(guard) else {
            return;
        };
        let element = Element {
            share: share.clone(),
            index,
        };
        match first {
            Some(holds) => {
                let guard_of_it = guard.clone();
                let mut job: Job = Box::pin(async move {
                    let guard = guard_of_it;
                    let subject = Subject::Element(&element);
                    let (end, slot) = attempts(&guard, subject, None, Some(holds)).await;
                    // `None` if a blocking thread goes on with it.
                    if let Some(end) = end {
                        element.ended(&guard, end);
                    }
                    drop(slot);
                    handed_over(&guard)
                });
                if poll_once(job.as_mut()).await.is_pending() {
                    go_on(guard, share.task, job);
                }
            }
            None => {
                element.started(guard, 1);
                let mut job = None;
                let polled = poll_fn(|cx| Poll::Ready(poll(guard, &element, &mut job, cx))).await;
                match polled {
                    Poll::Ready(end) => {
                        unwind::contain(|| drop(job));
                        element.ended(guard, end);
                    }
                    Poll::Pending => {
                        let job = wait(guard.clone(), element, job);
                        go_on(guard, share.task, Box::pin(job));
                    }
                }
            }
        }
        match slice.count() {
            Some(Reading::Since(elapsed)) if elapsed >= WAKE_UP => invite(guard, &share),
            None | Some(Reading::Since(_)) => {}
            Some(Reading::Enough(_) | Reading::Over) => {
                yield_now().await;
                slice.begin(Tasks::Unknown);
            }
        }
    }
}

/// Gives a future of this task a place of its own. It settles the task itself, if at all.
fn go_on(guard: &RunGuard, task: NodeIndex, job: Job) {
    let waiting = Waiting {
        task,
        job,
        sees_stop: true,
    };
    guard.scheduler.insert(guard, waiting);
}

/// Has one more worker take elements, if there are some for it.
fn invite(guard: &RunGuard, share: &Share) {
    let parallelism = guard.backend().parallelism();
    if share.next.load(Ordering::Relaxed) + 1 >= share.count
        || share.workers.fetch_add(1, Ordering::Relaxed) >= parallelism
    {
        return;
    }
    let (worker, share) = (guard.clone(), share.clone());
    let task = share.task;
    let job = Box::pin(async move {
        work(&worker, share, None).await;
        handed_over(&worker)
    });
    go_on(guard, task, job);
    guard.scheduler.call(guard, true);
}

/// What the future of a worker or an element comes to: its task is settled by another.
fn handed_over(guard: &RunGuard) -> JobEnd {
    (
        Arc::clone(&guard.storage),
        Some(Box::new(NotStored::HandedOver)),
    )
}

/// Waits for an element that needs nothing but its future.
async fn wait(guard: RunGuard, element: Element, mut job: Option<ElementJob>) -> JobEnd {
    let end = poll_fn(|cx| match element.stops(&guard) {
        true => Poll::Ready(End::Cancelled),
        false => poll(&guard, &element, &mut job, cx),
    })
    .await;
    unwind::contain(|| element.inside(&guard, || drop(job)));
    element.ended(&guard, end);
    handed_over(&guard)
}

/// Polls the future of an element. Makes it first if there is none.
fn poll(
    guard: &RunGuard,
    element: &Element,
    job: &mut Option<ElementJob>,
    cx: &mut Context<'_>,
) -> Poll<End> {
    let poll = || {
        let job = job.get_or_insert_with(|| element.job(None));
        job.as_mut().poll(cx)
    };
    let polled = unwind::catch(|| element.inside(guard, poll));
    match polled {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(None)) => Poll::Ready(End::Succeeded),
        Ok(Poll::Ready(Some(error))) => Poll::Ready(End::Failed(Cause::Error(error))),
        Err(payload) => Poll::Ready(End::Failed(Cause::panic(payload))),
    }
}

/// Waits for `future`. `None` if the task stops before it is ready.
async fn until_stop<F, T>(guard: &RunGuard, share: &Share, future: F) -> Option<T>
where
    F: Future<Output = Option<T>>,
{
    let mut future = pin!(future);
    poll_fn(|cx| match share.stops(guard) {
        true => Poll::Ready(None),
        false => future.as_mut().poll(cx),
    })
    .await
}

/// Has a blocking thread call elements.
fn call_elements(guard: &RunGuard, share: Share) {
    guard.call_blocking(BlockingCall {
        task: share.task,
        kind: CallKind::Elements(share),
    });
}

/// Calls elements on this blocking thread, until there are no more or it has done so for long.
pub(super) fn run_elements(guard: &RunGuard, share: Share) {
    let mut slice = TimeSlice::of_blocking_thread();
    let mut alone = true;
    while let Some(index) = share.take(guard) {
        if alone && share.has_more() {
            // Another thread takes the next one, in case this one takes long.
            call_elements(guard, share.clone());
            alone = false;
        }
        let element = Element {
            share: share.clone(),
            index,
        };
        element.started(guard, 1);
        let end = element.call(guard, None, &|| true);
        element.ended(guard, end);
        if slice.is_over() {
            break;
        }
    }
    if share.has_more() && !share.stops(guard) {
        call_elements(guard, share);
    }
}
