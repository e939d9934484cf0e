//! What a run asks its runtime for, in which order one driver takes up what there is, and that a run goes
//! on if the runtime drops some of what it was asked for. On a runtime that does nothing by itself.

use std::collections::HashSet;
use std::future::{Future, pending, ready};
use std::hint::spin_loop;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use asyncflow::prelude::*;
use asyncflow_tests::{Gate, Job, Kept, Log, again, passes, poll_while_woken, turns, yield_now};

/// Executes a flow with one driver, its own future.
fn execute_alone(flow: &Flow<Kept>) {
    let done = poll_while_woken(pin!(flow.execute()));
    assert!(
        done.is_ready(),
        "it waits for another driver, or for a thread"
    );
}

/// Drops the drivers that were invited so far.
fn drop_invited(kept: &Kept) {
    while let Some(driver) = kept.take_future() {
        drop(driver);
    }
}

/// Adds tasks that note their numbers.
fn add_numbered(flow: &mut Flow<Kept>, log: &Log, count: usize, after: Option<Task<()>>) {
    for number in 0..count {
        let log = log.clone();
        let note = move || ready(log.push(number.to_string()));
        flow.add(note.after(after));
    }
}

/// Keeps the thread busy.
fn spin(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        spin_loop();
    }
}

/// Adds a chain of tasks that note their numbers.
fn add_chain(flow: &mut Flow<Kept>, log: &Log, length: usize) {
    let mut last = None;
    for number in 0..length {
        let log = log.clone();
        let note = move || ready(log.push(number.to_string()));
        last = Some(flow.add(note.after(last)));
    }
}

/// The driver was in the midst of something. The task is woken when no other driver is left.
#[test]
fn a_driver_that_the_runtime_drops_is_replaced() {
    let kept = Kept::new();
    let (mut flow, first, second) = (Flow::on(kept.clone()), Gate::new(), Gate::new());
    let (one, two) = (first.clone(), second.clone());
    flow.add(again!((one, two) {
        one.pass().await;
        yield_now().await;
        two.pass().await;
    }));
    flow.add(async || ());
    let mut execute = pin!(flow.execute());
    assert!(poll_while_woken(execute.as_mut()).is_pending());
    let mut driver = kept.take_future().expect("a driver was invited");
    first.open();
    let mut context = Context::from_waker(Waker::noop());
    assert!(driver.as_mut().poll(&mut context).is_pending());
    assert!(poll_while_woken(execute.as_mut()).is_pending());
    drop(driver);
    second.open();
    assert!(poll_while_woken(execute).is_ready());
}

/// Nor is what it has queued left behind if the home has found nothing to do meanwhile.
#[test]
fn a_driver_that_the_runtime_drops_leaves_its_work_to_the_home() {
    let (kept, gate, home) = (Kept::new(), Gate::new(), Arc::new(Mutex::new(None::<Job>)));
    let mut flow = Flow::on(kept.clone());
    let (open, parks) = (gate.clone(), Arc::clone(&home));
    flow.add(again!((open, parks) {
        open.pass().await;
        let polls = || {
            let mut context = Context::from_waker(Waker::noop());
            let mut home = parks.lock().unwrap();
            home.as_mut().map(|home| home.as_mut().poll(&mut context))
        };
        assert_eq!(polls(), Some(Poll::Pending));
        yield_now().await;
    }));
    flow.add(async || ());
    let running = flow.start();
    let mut first = kept.take_future().expect("the home");
    assert!(poll_while_woken(Pin::new(&mut first)).is_pending());
    *home.lock().unwrap() = Some(first);
    let mut driver = kept.take_future().expect("a driver was invited");
    gate.open();
    let mut context = Context::from_waker(Waker::noop());
    assert!(driver.as_mut().poll(&mut context).is_pending());
    drop(driver);
    let home = home.lock().unwrap().take().expect("it is there");
    assert!(poll_while_woken(pin!(home)).is_ready());
    assert!(poll_while_woken(pin!(running)).is_ready());
}

/// However many drivers have come and gone, others steal from the one that works.
#[test]
fn a_driver_that_comes_late_has_a_queue_for_others() {
    let (kept, log) = (Kept::new(), Log::new());
    let mut flow = Flow::on(kept.clone());
    let gates = [(); 5].map(|()| Gate::new());
    for gate in gates.clone() {
        let pass = flow.add(again!((gate) { gate.pass().await }));
        let (invited, notes) = (kept.clone(), log.clone());
        let polls = again!((invited, notes) {
            let before = notes.events().len();
            let mut driver = invited.take_future().expect("a driver was invited");
            let _ = driver.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(notes.events().len() > before, "it has stolen nothing");
        });
        flow.add(polls.after(pass));
        add_numbered(&mut flow, &log, 40, Some(pass));
    }
    let mut execute = pin!(flow.execute());
    assert!(poll_while_woken(execute.as_mut()).is_pending());
    drop_invited(&kept);
    let mut polled = Poll::Pending;
    for gate in gates {
        assert!(polled.is_pending());
        gate.open();
        polled = poll_while_woken(execute.as_mut());
    }
    assert!(matches!(polled, Poll::Ready(Ok(_))), "{polled:?}");
}

/// One at a time is invited, and one that was dropped before it came is none.
#[test]
fn a_driver_is_invited_again_if_one_was_dropped() {
    let kept = Kept::new();
    let (mut flow, log) = (Flow::on(kept.clone()), Log::new());
    add_numbered(&mut flow, &log, 10, None);
    execute_alone(&flow);
    assert_eq!(kept.futures(), 1);

    let kept = Kept::new();
    let mut flow = Flow::on(kept.clone());
    add_numbered(&mut flow, &log, 10, None);
    let asked = kept.clone();
    flow.add(move || ready(drop(asked.take_future())));
    add_numbered(&mut flow, &log, 10, None);
    execute_alone(&flow);
    assert_eq!(kept.futures(), 2);
}

/// The roots of a large flow are claimed several at a time.
#[test]
fn a_driver_is_invited_for_roots_that_were_claimed() {
    let kept = Kept::new();
    let (mut flow, log) = (Flow::on(kept.clone()), Log::new());
    add_numbered(&mut flow, &log, 20, None);
    add_chain(&mut flow, &log, 80);
    execute_alone(&flow);
    assert_eq!(kept.futures(), 1);
}

/// What a driver has in its own queue is there for others. Here another one is polled by a task.
#[test]
fn a_driver_takes_tasks_from_the_queue_of_another() {
    let kept = Kept::new();
    let (mut flow, log) = (Flow::on(kept.clone()), Log::new());
    let root = flow.add(async || ());
    let (other, notes) = (kept.clone(), log.clone());
    let helps = move || {
        let mut driver = other.take_future().expect("a driver was invited");
        let mut context = Context::from_waker(Waker::noop());
        let _ = driver.as_mut().poll(&mut context);
        ready(notes.push("helped"))
    };
    flow.add(helps.after(root));
    add_numbered(&mut flow, &log, 100, Some(root));
    execute_alone(&flow);
    assert_eq!(log.events().len(), 101);
    assert!(log.place("helped") > 0, "it found none");
}

/// Where there is never more than one task to do, none is of use.
#[test]
fn no_driver_is_invited_for_what_one_can_do() {
    let kept = Kept::new();
    let (mut flow, log) = (Flow::on(kept.clone()), Log::new());
    add_chain(&mut flow, &log, 10);
    execute_alone(&flow);

    let mut flow = Flow::on(kept.clone());
    flow.add(|| ready(spin(Duration::from_micros(100))));
    execute_alone(&flow);

    let (mut flow, gate) = (Flow::on(kept.clone()), Gate::new());
    flow.add(passes(&gate));
    let mut execute = pin!(flow.execute());
    assert!(poll_while_woken(execute.as_mut()).is_pending());
    gate.open();
    assert!(poll_while_woken(execute).is_ready());
    assert_eq!(kept.futures(), 0);
}

/// Woken tasks have others help, too.
#[test]
fn a_driver_is_invited_for_tasks_that_were_woken() {
    let kept = Kept::new();
    let (mut flow, gate) = (Flow::on(kept.clone()), Gate::new());
    for _ in 0..2 {
        flow.add(passes(&gate));
    }
    let mut execute = pin!(flow.execute());
    assert!(poll_while_woken(execute.as_mut()).is_pending());
    gate.open();
    // Also by the waker of the second task.
    drop_invited(&kept);
    let before = kept.futures();
    assert!(poll_while_woken(execute).is_ready());
    assert!(kept.futures() > before);
}

/// Until its turns are known to be short. A thread may be preempted in any of them, but not in all.
#[test]
fn no_driver_is_invited_once_turns_were_short() {
    let kept = Kept::new();
    let mut flow = Flow::on(kept.clone());
    flow.add(async || ());
    flow.add(async || ());
    let invites = || {
        let before = kept.futures();
        execute_alone(&flow);
        drop(kept.take_future());
        kept.futures() > before
    };
    assert!(invites());
    assert!((0..1000).any(|_| !invites()));
}

/// The driver that did a task goes on with the one that gets its lock. Another is invited if there is more
/// to do, or if this one gives the runtime a turn first.
#[test]
fn a_driver_is_invited_for_a_task_that_gets_a_lock_only_if_it_is_needed() {
    for (downstream, ready, long, invited) in [
        (false, false, false, false),
        (true, false, false, true),
        (false, true, false, true),
        (false, false, true, true),
    ] {
        let kept = Kept::new();
        let (mut flow, gate, lock) = (Flow::on(kept.clone()), Gate::new(), Lock::new());
        let open = gate.clone();
        let holds = again!((open) {
            open.pass().await;
            if long {
                spin(Duration::from_millis(2));
            }
        });
        let holds = flow.add(holds.with_lock(&lock));
        flow.add((async || ()).with_lock(&lock));
        if downstream {
            flow.add((async || ()).after(holds));
        }
        let plain = flow.add(|| ());
        flow.add((async || ()).after(plain));
        let mut execute = pin!(flow.execute());
        assert!(poll_while_woken(execute.as_mut()).is_pending());
        if !ready {
            kept.call_functions();
            assert!(poll_while_woken(execute.as_mut()).is_pending());
        }
        gate.open();
        kept.call_functions();
        drop_invited(&kept);
        let before = kept.futures();
        assert!(poll_while_woken(execute).is_ready());
        assert_eq!(kept.futures() > before, invited);
    }
}

/// The driver of the run that gives the lock does not go on with a task of another run. Here that run polls
/// this one.
#[test]
fn a_driver_is_invited_for_a_task_of_another_run_that_gets_a_lock() {
    let (kept, gate, lock) = (Kept::new(), Gate::new(), Lock::new());
    let mut inner = Flow::on(kept.clone());
    inner.add(passes(&gate).with_lock(&lock));
    let (mut flow, inner) = (Flow::on(kept.clone()), Arc::new(inner));
    flow.add(again!((inner) { inner.execute().await.map(drop) }));
    flow.add((async || ()).with_lock(&lock));
    let mut execute = pin!(flow.execute());
    assert!(poll_while_woken(execute.as_mut()).is_pending());
    drop_invited(&kept);
    let before = kept.futures();
    gate.open();
    assert!(poll_while_woken(execute).is_ready());
    assert!(kept.futures() > before);
}

/// What the future of a task has is dropped before another task may have its lock.
#[test]
fn a_lock_is_given_back_when_the_future_is_dropped() {
    struct LooksLast(Arc<Flow<Kept>>, Log);

    impl Drop for LooksLast {
        fn drop(&mut self) {
            let other = poll_while_woken(pin!(self.0.execute()));
            self.1.push(if other.is_ready() { "free" } else { "held" });
        }
    }

    for (fails, ends) in [(false, false), (true, false), (false, true)] {
        let (kept, lock, log) = (Kept::new(), Lock::new(), Log::new());
        let mut other = Flow::on(kept.clone());
        other.add((async || ()).with_lock(&lock));
        let (mut flow, other, gate) = (Flow::on(kept), Arc::new(other), Gate::new());
        let (open, looks) = (gate.clone(), log.clone());
        let task = again!((other, looks, open) {
            let _last = LooksLast(other, looks);
            open.pass().await;
            if !ends {
                pending().await
            }
        });
        flow.add(task.with_lock(&lock));
        if fails {
            let open = gate.clone();
            flow.add(again!((open) {
                open.pass().await;
                Err::<(), _>("no")
            }));
        }
        let mut execute = Box::pin(flow.execute());
        assert!(poll_while_woken(execute.as_mut()).is_pending());
        if fails || ends {
            gate.open();
            assert!(poll_while_woken(execute.as_mut()).is_ready());
        }
        drop(execute);
        assert_eq!(log.events(), ["held"]);
    }
}

/// Once its turns were short, a run asks for no help until a turn has taken long.
#[test]
fn a_driver_is_invited_in_a_turn_that_takes_long() {
    let kept = Kept::new();
    let (mut flow, long) = (Flow::on(kept.clone()), Arc::new(AtomicBool::new(false)));
    let mut first = None;
    // A small flow, which does not claim its roots.
    for _ in 0..60 {
        let long = Arc::clone(&long);
        let task = flow.add(move || {
            if long.load(Ordering::Relaxed) {
                spin(Duration::from_micros(5));
            }
            ready(())
        });
        first.get_or_insert(task);
    }
    for _ in 0..40 {
        let one = flow.execute().only(first);
        assert!(poll_while_woken(pin!(one)).is_ready());
        drop(kept.take_future());
    }
    let before = kept.futures();
    long.store(true, Ordering::Relaxed);
    execute_alone(&flow);
    assert!(kept.futures() > before);
}

/// A thread that will not come is no reason to ask for no other.
#[test]
fn a_thread_is_asked_for_again_if_one_was_dropped() {
    let kept = Kept::new();
    let mut flow = Flow::on(kept.clone());
    flow.add(|| ());
    let asked = kept.clone();
    flow.add(move || drop(asked.take_function()));
    flow.add(|| ());
    flow.add(|| ());
    let mut execute = pin!(flow.execute());
    assert!(poll_while_woken(execute.as_mut()).is_pending());
    assert_eq!(kept.functions(), 1);
    let thread = kept.take_function().expect("it was asked for");
    // The first asks for a second, which is dropped, and then for a third.
    thread();
    assert_eq!(kept.functions(), 3);
    assert!(poll_while_woken(execute).is_ready());
}

/// Each goes on with what it made ready; a second thread is asked for only by what is ready besides.
#[test]
fn a_chain_of_plain_functions_asks_for_one_thread() {
    for (siblings, threads) in [(1, 1), (3, 2)] {
        let kept = Kept::new();
        let mut flow = Flow::on(kept.clone());
        let mut last = flow.add(|| ());
        for _ in 0..5 {
            last = flow.add((|| ()).after(last));
        }
        for _ in 0..siblings {
            flow.add((|| ()).after(last));
        }
        let mut execute = pin!(flow.execute());
        assert!(poll_while_woken(execute.as_mut()).is_pending());
        kept.call_functions();
        assert!(poll_while_woken(execute).is_ready());
        assert_eq!(kept.functions(), threads);
    }
}

/// A slot that nobody waits for wakes nobody.
#[test]
fn the_caller_is_not_woken_before_there_is_something_to_do() {
    let kept = Kept::new();
    let (mut flow, wakes) = (Flow::on(kept.clone()), Arc::new(Wakes::default()));
    let seen = Arc::new(Mutex::new(None));
    flow.add(|| ());
    let (counts, notes) = (Arc::clone(&wakes), Arc::clone(&seen));
    flow.add(move || *notes.lock().unwrap() = Some(counts.0.load(Ordering::SeqCst)));
    let mut execute = pin!(flow.execute().max_concurrency(2));
    let waker = Waker::from(Arc::clone(&wakes));
    let mut context = Context::from_waker(&waker);
    assert!(execute.as_mut().poll(&mut context).is_pending());
    // Both, one after the other.
    kept.call_functions();
    assert_eq!(*seen.lock().unwrap(), Some(0));
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    assert!(execute.as_mut().poll(&mut context).is_ready());
}

/// Counts how often it is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Permits and slots are there when the task gets them, however long it waits for its thread.
#[test]
fn waiting_for_a_thread_is_not_waiting_for_permits() {
    for limit in [None, Some(1)] {
        let kept = Kept::new();
        let mut flow = Flow::on(kept.clone());
        let task = match limit {
            None => flow.add((|| ()).with_lock(Lock::new())),
            Some(_) => flow.add(|| ()),
        };
        let execute = flow.execute().timed();
        let mut execute = pin!(match limit {
            None => execute,
            Some(limit) => execute.max_concurrency(limit),
        });
        assert!(poll_while_woken(execute.as_mut()).is_pending());
        kept.pass(Duration::from_secs(1));
        kept.call_functions();
        let Poll::Ready(run) = poll_while_woken(execute) else {
            panic!("its function was called");
        };
        let times = run.unwrap().report().task(task).times().unwrap();
        assert_eq!(times.permitted, Some(Duration::ZERO));
        assert_eq!(times.started, Some(Duration::from_secs(1)));
    }
}

/// Neither those that are woken nor those that are ready wait for the last of the others.
#[test]
fn woken_and_ready_tasks_take_turns() {
    let (mut flow, log, gate) = (Flow::on(Kept::new()), Log::new(), Gate::new());
    let (opened, notes) = (gate.clone(), log.clone());
    flow.add(again!((opened, notes) {
        opened.pass().await;
        notes.push("woken");
    }));
    add_numbered(&mut flow, &log, 10, None);
    let notes = log.clone();
    flow.add(move || {
        notes.push("opens");
        ready(gate.open())
    });
    flow.add(log.note("ready"));
    flow.add(log.note("ready, too"));
    flow.add(log.note("last"));
    execute_alone(&flow);
    log.assert_order(&["opens", "woken", "last"]);
}

/// What comes from elsewhere does not wait for all that a driver has in its own queue.
#[test]
fn what_is_injected_starts_before_a_long_local_queue_is_empty() {
    let kept = Kept::new();
    let (mut flow, log) = (Flow::on(kept.clone()), Log::new());
    let plain = flow.add(|| ());
    flow.add(log.note("injected").after(plain));
    let root = flow.add(async || ());
    add_numbered(&mut flow, &log, 20, Some(root));
    let notes = log.clone();
    let calls = move || {
        kept.call_functions();
        ready(notes.push("calls"))
    };
    flow.add(calls.after(root));
    let later = flow.add(async || ());
    for _ in 0..60 {
        flow.add(log.note("further").after([root, later]));
    }
    execute_alone(&flow);
    let events = log.events();
    let after = |event: &String| event == "further";
    let before = events[..log.place("injected")]
        .iter()
        .filter(|event| after(event));
    log.assert_order(&["calls", "injected"]);
    assert!(before.count() < 40);
}

/// Nor do the roots that no driver has claimed yet.
#[test]
fn roots_start_before_a_long_local_queue_is_empty() {
    let (mut flow, log) = (Flow::on(Kept::new()), Log::new());
    let root = flow.add(async || ());
    for _ in 0..40 {
        flow.add(async || ());
    }
    flow.add(log.note("root"));
    add_numbered(&mut flow, &log, 600, Some(root));
    execute_alone(&flow);
    assert!(log.place("root") < 400);
}

/// A driver goes on with what a task made ready, but not for ever.
#[test]
fn a_chain_is_put_behind_what_has_waited() {
    let (mut flow, log) = (Flow::on(Kept::new()), Log::new());
    add_chain(&mut flow, &log, 200);
    flow.add(log.note("beside"));
    execute_alone(&flow);
    assert!(log.place("beside") < 100);
}

/// Adds a hundred tasks that yield so many times as `yields` says for their numbers, and note that they are
/// polled.
fn add_yielding(flow: &mut Flow<Kept>, log: &Log, yields: fn(usize) -> usize) {
    for number in 0..100 {
        let log = log.clone();
        flow.add(again!((log) {
            for _ in 0..yields(number) {
                log.push(number.to_string());
                yield_now().await;
            }
        }));
    }
}

/// Short tasks that were woken are taken several at a time, in their order.
#[test]
fn short_tasks_that_yield_take_turns() {
    let (mut flow, log) = (Flow::on(Kept::new()), Log::new());
    add_yielding(&mut flow, &log, |_| 40);
    execute_alone(&flow);
    let events = log.events();
    assert_eq!(events.len(), 4_000);
    let numbers = || (0..100).map(|number| number.to_string());
    let first = numbers().map(|number| events.iter().position(|event| *event == number));
    let last = numbers().map(|number| events.iter().rposition(|event| *event == number));
    let (started, ended) = (first.max().flatten(), last.min().flatten());
    let (started, ended) = (started.expect("all") + 1, ended.expect("all"));
    let mut rounds = events[started..ended].windows(100);
    assert!(rounds.len() > 500);
    assert!(rounds.all(|round| round.iter().collect::<HashSet<_>>().len() == 100));
}

/// Also if some of them are done earlier.
#[test]
fn short_tasks_that_yield_are_all_done() {
    let (mut flow, log) = (Flow::on(Kept::new()), Log::new());
    add_yielding(&mut flow, &log, |number| number % 23);
    execute_alone(&flow);
    let events = log.events();
    for number in 0..100 {
        let polls = events.iter().filter(|event| **event == number.to_string());
        assert_eq!(polls.count(), number % 23);
    }
}

/// Those that were taken together are not polled any more once one of them has failed.
#[test]
fn short_tasks_that_yield_are_stopped_by_the_first_that_fails() {
    let (mut flow, log) = (Flow::on(Kept::new()), Log::new());
    add_yielding(&mut flow, &log, |_| 40);
    let fails = log.clone();
    flow.add(again!((fails) {
        turns(30).await;
        fails.push("fails");
        Err::<(), _>("no")
    }));
    add_yielding(&mut flow, &log, |_| 40);
    execute_alone(&flow);
    assert_eq!(log.place("fails") + 1, log.events().len());
}
