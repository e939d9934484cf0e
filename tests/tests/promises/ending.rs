//! An execution ends when its tasks do: also beside futures that are always ready again or block their
//! thread, and with wakers of every kind.

use std::future::ready;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{AsyncStdRuntime, Observer, Running, Runtime, TaskRef, TokioRuntime};
use asyncflow_tests::{
    Gate, Guards, Job, LONG, Log, again, eventually, hold, on_async_std, on_every_backend,
    on_tokio, opens, pause, waits, yield_now,
};

/// Yields until `done`.
fn never_rests(done: &Arc<AtomicBool>) -> impl Fn() -> Job + use<> {
    let done = Arc::clone(done);
    move || {
        let done = Arc::clone(&done);
        Box::pin(async move {
            while !done.load(Ordering::SeqCst) {
                yield_now().await;
            }
        })
    }
}

on_every_backend! {
    // Beside tasks of every kind. With a single such future, the execution itself polls it.
    async fn future_that_is_always_ready_again<R>() {
        for spinners in [1, 2, 5] {
            let (mut flow, log, done) = (Flow::<R>::new(), Log::new(), Arc::new(AtomicBool::new(false)));
            for _ in 0..spinners {
                flow.add(never_rests(&done));
            }
            let a = flow.add(log.note("ready"));
            let b = flow.add((async || yield_now().await).after(a));
            let c = flow.add(log.note_blocking("plain").after(b));
            let d = flow.add((async || pause::<R>(Duration::from_millis(1)).await).after(c));
            let e = flow.add(log.note("locked").after(d).with_lock(Lock::new()));
            flow.add((move || done.store(true, Ordering::SeqCst)).after(e));
            flow.execute().await.unwrap();
            assert_eq!(log.events(), ["ready", "plain", "locked"]);
        }
    }

    // A limit ends it, and so does a cancel.
    async fn future_that_is_always_ready_again_is_stopped<R>() {
        let never = Arc::new(AtomicBool::new(false));
        let mut flow = Flow::<R>::new();
        let spins = flow.add(never_rests(&never).timeout(Duration::from_millis(5)));
        let error = flow.execute().await.unwrap_err();
        assert_eq!(error.report().unwrap().status(spins), TaskStatus::TimedOut);
        let mut flow = Flow::<R>::new();
        for _ in 0..3 {
            flow.add(never_rests(&never));
        }
        let running = flow.start();
        pause::<R>(Duration::from_millis(2)).await;
        assert!(running.cancel().await.unwrap_err().is_cancelled());
        flow.add((async || Err::<(), _>("no")).after(None::<TaskId>));
        assert_eq!(flow.execute().await.unwrap_err().failures().count(), 1);
    }

    // Without another worker, plain functions still run on their threads, and so does what follows
    // them there.
    async fn plain_functions_beside_a_future_that_blocks_its_thread<R>() {
        for (after_a_wait, start) in [(false, false), (false, true), (true, false), (true, true)] {
            let (mut flow, done) = (Flow::<R>::new(), Gate::new());
            let first = after_a_wait.then(|| flow.add(async || yield_now().await));
            let plain = flow.add((|| ()).after(first));
            let opener = done.clone();
            flow.add((move || opener.open()).after(plain));
            let blocked = done.clone();
            let blocks = move || {
                let done = blocked.clone();
                async move { done.pass_blocking() }
            };
            flow.add(blocks.after(first));
            match start {
                true => flow.start().await.unwrap(),
                false => flow.execute().await.unwrap(),
            };
            assert!(done.is_open());
        }
    }
}

/// Some tasks block the thread that polls them until others, with every kind of relation to them,
/// have run: there is another worker, so they do.
async fn assert_progress_beside_a_blocking_future<R: Runtime + Default>() {
    for shape in 0..4 {
        let (mut flow, done) = (Flow::<R>::new(), Gate::new());
        let blocks = {
            let done = done.clone();
            move || {
                let done = done.clone();
                async move { done.pass_blocking() }
            }
        };
        let opens = opens(&done);
        match shape {
            // Both ready at the start, in either order.
            0 => {
                flow.add(blocks);
                flow.add(opens);
            }
            1 => {
                let first = flow.add(async || ());
                flow.add(blocks.after(first));
                flow.add(opens.after(first));
            }
            // Made ready by a task that waited, and by a plain one.
            2 => {
                let first = flow.add(async || yield_now().await);
                flow.add(blocks.after(first));
                flow.add(opens.after(first));
            }
            _ => {
                let first = flow.add(|| ());
                flow.add(blocks.after(first));
                flow.add(opens.after(first));
            }
        }
        flow.execute().await.unwrap();
        flow.start().await.unwrap();
    }
}

mod future_that_blocks_its_thread {
    use super::*;

    #[test]
    fn tokio() {
        on_tokio(assert_progress_beside_a_blocking_future::<TokioRuntime>);
    }

    #[test]
    fn async_std() {
        on_async_std(assert_progress_beside_a_blocking_future::<AsyncStdRuntime>);
    }
}

/// A waker that counts, and tells when it was woken.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
    wakes: AtomicUsize,
}

impl Bell {
    /// Waits until it was rung; `false` if it takes longer than anything does.
    fn wait(&self) -> bool {
        let limit = Duration::from_secs(30);
        let rung = self.rung.lock().unwrap();
        let (rung, _) = self
            .changed
            .wait_timeout_while(rung, limit, |rung| !*rung)
            .unwrap();
        *rung
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        *self.rung.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

/// Something of every kind, more than once; each ends with a note in the log.
fn a_bit_of_everything<R: Runtime + Default>() -> (Flow<R>, Log, Guards) {
    // On the runtime of the test, wherever it is executed.
    let mut flow = Flow::on(R::default().attach().unwrap());
    let (log, guards, lock) = (Log::new(), Guards::new(), Lock::new());
    let mut last = vec![];
    for _ in 0..10 {
        let a = flow.add((async || yield_now().await).after(&last));
        let b = flow.add((async || pause::<R>(Duration::from_micros(100)).await).after(a));
        let c = flow.add((|| ()).after(&last));
        let d = flow.add((|| ()).after(c).with_lock(&lock));
        let e = flow.add((async || yield_now().await).after([a, c]).with_lock(&lock));
        let guards = guards.clone();
        let f = flow.add(
            again!((guards) {
                let _guard = guards.guard();
                yield_now().await;
            })
            .after([b, d, e])
            .timeout(LONG),
        );
        last = vec![flow.add(log.note("round").after(f))];
    }
    (flow, log, guards)
}

/// Polls `future` with a new waker each time, and again only when the newest was woken.
fn poll_with_new_wakers<T>(
    mut future: Pin<&mut impl Future<Output = T>>,
    bells: &mut Vec<Arc<Bell>>,
) -> T {
    loop {
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        bells.push(Arc::clone(&bell));
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        drop(waker);
        assert!(bell.wait(), "the newest waker was not woken");
    }
}

on_every_backend! {
    // Polled on a thread of its own, so that a runtime with one thread can go on.
    async fn wakers_that_change_at_every_poll<R>() {
        let (flow, log, guards) = a_bit_of_everything::<R>();
        let ended = Gate::new();
        let runs = std::thread::spawn({
            let opener = ended.opener();
            move || {
                let _opener = opener;
                for _ in 0..10 {
                    let mut bells = vec![];
                    let mut execute = Box::pin(flow.execute());
                    poll_with_new_wakers(execute.as_mut(), &mut bells).unwrap();
                    drop(execute);
                    // All of them are woken after the end.
                    for bell in bells {
                        Waker::from(bell).wake();
                    }
                    let mut running = Box::pin(flow.start());
                    poll_with_new_wakers(running.as_mut(), &mut vec![]).unwrap();
                }
            }
        });
        ended.pass().await;
        runs.join().unwrap();
        assert_eq!((log.events().len(), guards.live()), (200, 0));
    }

    async fn woken_spuriously<R>() {
        let (flow, log, guards) = a_bit_of_everything::<R>();
        let mut wakers = vec![];
        for round in 0..10 {
            let mut execute = std::pin::pin!(flow.execute());
            let mut polls = 0_usize;
            std::future::poll_fn(|cx| {
                polls += 1;
                wakers.push(cx.waker().clone());
                // Twice in a row, and from time to time by a waker that wakes nothing.
                let nowhere = Waker::noop();
                for _ in 0..round % 3 {
                    if let Poll::Ready(result) = execute.as_mut().poll(&mut Context::from_waker(nowhere)) {
                        return Poll::Ready(result);
                    }
                }
                let polled = execute.as_mut().poll(cx);
                if polls.is_multiple_of(2) {
                    cx.waker().wake_by_ref();
                }
                polled
            }).await.unwrap();
        }
        assert_eq!((log.events().len(), guards.live()), (100, 0));
        wakers.into_iter().for_each(Waker::wake);
        yield_now().await;
    }

    // Tasks that keep every waker that they were polled with, and wake them all at any time.
    async fn tasks_that_keep_their_wakers<R>() {
        let kept = Arc::new(Mutex::new(Vec::<Waker>::new()));
        let keeps = |polls: usize| {
            let kept = Arc::clone(&kept);
            move || {
                let (kept, mut left) = (Arc::clone(&kept), polls);
                std::future::poll_fn(move |cx| {
                    kept.lock().unwrap().push(cx.waker().clone());
                    kept.lock().unwrap().push(cx.waker().clone());
                    // All wakers that were ever kept, again and again.
                    let all = kept.lock().unwrap().clone();
                    all.iter().for_each(Waker::wake_by_ref);
                    left -= 1;
                    if left == 0 { Poll::Ready(()) } else { Poll::Pending }
                })
            }
        };
        let mut flow = Flow::<R>::new();
        for polls in 1..6 {
            let a = flow.add(keeps(polls));
            let b = flow.add(keeps(2).after(a).with_lock(Lock::new()));
            flow.add(keeps(polls).after(b).timeout(LONG));
        }
        for _ in 0..3 {
            let run = flow.execute().await.unwrap();
            assert_eq!(run.report().count(TaskStatus::is_success), 15);
        }
        // Also after the end of their runs.
        let all = std::mem::take(&mut *kept.lock().unwrap());
        all.into_iter().for_each(Waker::wake);
        yield_now().await;
    }

    // A waker that, when it is dropped, does not return before another task of the run has failed,
    // which wakes all that wait: so no waker is dropped while what they lie in is locked.
    async fn waker_whose_drop_comes_back_in<R>() {
        let handle = R::default().attach().unwrap();
        let ended = Gate::new();
        let runs = std::thread::spawn({
            let opener = ended.opener();
            move || {
                let _opener = opener;
                for _ in 0..10 {
                    let mut flow = Flow::on(handle.clone());
                    let (go, stopped, mut polls) = (Gate::new(), Gate::new(), 0);
                    let fails = flow.add({
                        let go = go.clone();
                        move || { go.pass_blocking(); Err::<(), _>("no") }
                    });
                    // On the same thread, after the failure has stopped the run.
                    let opener = stopped.clone();
                    flow.add((move || opener.open()).after(fails).always());
                    // The failure takes these with it.
                    for _ in 0..3 {
                        flow.add(async || std::future::pending::<()>().await);
                    }
                    let mut execute = Box::pin(flow.execute());
                    let stuck = Arc::new(AtomicBool::new(false));
                    let mut result = None;
                    while result.is_none() && !go.is_open() {
                        let waker = Waker::from(Arc::new(Reenters {
                            go: (polls > 0).then(|| go.clone()),
                            stopped: stopped.clone(),
                            stuck: Arc::clone(&stuck),
                        }));
                        polls += 1;
                        match execute.as_mut().poll(&mut Context::from_waker(&waker)) {
                            Poll::Ready(end) => result = Some(end),
                            Poll::Pending => {}
                        }
                    }
                    let error = match result {
                        Some(result) => result.unwrap_err(),
                        None => poll_with_new_wakers(execute.as_mut(), &mut vec![]).unwrap_err(),
                    };
                    assert!(!stuck.load(Ordering::SeqCst), "a waker was dropped under a lock");
                    assert_eq!(error.failures().count(), 1);
                }
            }
        });
        ended.pass().await;
        runs.join().unwrap();
    }

    // A waker that drops another execution when it is dropped, one that waits for the same lock.
    async fn waker_whose_drop_drops_an_execution<R>() {
        let (lock, go) = (Lock::new(), Gate::new());
        let holder = hold::<R>(&lock, &go).await;
        let mut flow = Flow::<R>::new();
        let log = Log::new();
        flow.add(log.note("got it").with_lock(&lock));
        let mut execute = Box::pin(flow.execute());
        for _ in 0..5 {
            // The other one waits in the same queue.
            let mut other = flow.start();
            let _ = Pin::new(&mut other).poll(&mut Context::from_waker(Waker::noop()));
            let waker = Waker::from(Arc::new(Owns(Mutex::new(Some(other)))));
            assert!(execute.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        go.open();
        execute.await.unwrap();
        holder.await.unwrap();
        assert_eq!(log.events().len(), 1);
        eventually::<R>("the lock to be free", || true).await;
        flow.execute().await.unwrap();
    }

    // The execution itself is polled with a waker that panics; the stop reaches all other tasks.
    async fn waker_that_panics<R>() {
        let (mut flow, guards, told) = (Flow::<R>::new(), Guards::new(), Arc::default());
        let (go, started) = (Gate::new(), Gate::new());
        let passes = go.clone();
        flow.add(move || { passes.pass_blocking(); Err::<(), _>("no") });
        for _ in 0..8 {
            flow.add(waits(&guards, &started));
        }
        let mut execute = Box::pin(flow.execute().observe(Told(Arc::clone(&told))));
        let waker = Waker::from(Arc::new(PanicsOnWake));
        // A poll may end before all have started, if it takes long.
        eventually::<R>("all to start", || {
            assert!(execute.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            guards.live() == 8
        }).await;
        go.open();
        // The execution does not hear of it by that waker, and goes on when it is polled again.
        let error = execute.await.unwrap_err();
        assert_eq!((error.failures().count(), guards.live()), (1, 0));
        assert_eq!(told.load(Ordering::SeqCst), 9);
    }

    // The same while it is polled: it asks for another poll after each of these tasks.
    async fn waker_that_panics_in_a_poll<R>() {
        let (mut flow, count) = (Flow::<R>::new(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..3 {
            let count = count.clone();
            flow.add(move || {
                std::thread::sleep(Duration::from_millis(2));
                count.fetch_add(1, Ordering::SeqCst);
                ready(())
            });
        }
        for limit in [1, usize::MAX] {
            let mut execute = Box::pin(flow.execute().max_concurrency(limit));
            let waker = Waker::from(Arc::new(PanicsOnWake));
            assert!(execute.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            execute.await.unwrap();
            assert_eq!(count.swap(0, Ordering::SeqCst), 3);
        }
    }

    // Each poll is on a new thread, outside of the runtime.
    async fn polled_on_many_threads<R>() {
        let mut flow = Flow::on(R::default().attach().unwrap());
        let mut last = None;
        for _ in 0..10 {
            let a = flow.add((async || yield_now().await).after(last));
            last = Some(flow.add((|| ()).after(a)));
        }
        let over = Gate::new();
        let thread = std::thread::spawn({
            let over = over.opener();
            move || {
                let _over = over;
                let mut execute = Box::pin(flow.execute());
                loop {
                    let polled = std::thread::scope(|scope| {
                        let poll = || execute.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                        scope.spawn(poll).join().unwrap()
                    });
                    if let Poll::Ready(result) = polled {
                        return result.map(|run| run.report().count(TaskStatus::is_success));
                    }
                }
            }
        });
        over.pass().await;
        assert_eq!(thread.join().unwrap().unwrap(), 20);
    }
}

/// See `waker_whose_drop_comes_back_in`.
struct Reenters {
    go: Option<Gate>,
    stopped: Gate,
    stuck: Arc<AtomicBool>,
}

impl Wake for Reenters {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Reenters {
    fn drop(&mut self) {
        let Some(go) = &self.go else { return };
        go.open();
        let start = std::time::Instant::now();
        while !self.stopped.is_open() {
            if start.elapsed() > Duration::from_secs(10) {
                self.stuck.store(true, Ordering::SeqCst);
                return;
            }
            std::thread::yield_now();
        }
    }
}

/// See `waker_whose_drop_drops_an_execution`.
struct Owns(#[allow(dead_code)] Mutex<Option<Running>>);

impl Wake for Owns {
    fn wake(self: Arc<Self>) {}
}

/// A waker that panics when it is woken.
struct PanicsOnWake;

impl Wake for PanicsOnWake {
    fn wake(self: Arc<Self>) {
        panic!("no waking");
    }
}

/// Counts what it is told.
struct Told(Arc<AtomicUsize>);

impl Observer for Told {
    fn task_ended(&self, _: TaskRef<'_>, _: TaskStatus) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
