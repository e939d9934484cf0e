//! A task starts after everything upstream of it has succeeded, as soon as that holds, and once.

use std::future::ready;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow::{Runtime, TokioRuntime};
use asyncflow_tests::{
    Gate, Log, Meeting, Numbers, again, on_every_backend, on_smol_current, on_tokio_current, pause,
    slow, turns,
};

on_every_backend! {
    async fn one_path<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let mut last = None;
        for name in names {
            last = Some(flow.add(slow(&log, name).after(last)));
        }
        flow.execute().await.unwrap();
        assert_eq!(log.events(), names);
    }

    // The paths run side by side: their first tasks wait for each other.
    async fn several_paths<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let meeting = Meeting::of(3);
        let paths = [["a1", "a2", "a3"], ["b1", "b2", "b3"], ["c1", "c2", "c3"]];
        for path in paths {
            let mut last = flow.add(meeting.task());
            for name in path {
                last = flow.add(slow(&log, name).after(last));
            }
        }
        flow.execute().await.unwrap();
        assert_eq!(log.events().len(), 9);
        for path in paths {
            log.assert_order(&path);
        }
    }

    async fn diamond<R>() {
        let (mut flow, log, meeting) = (Flow::<R>::new(), Log::new(), Meeting::of(2));
        let top = flow.add(slow(&log, "top"));
        let arms = ["left", "right"].map(|name| {
            let (log, meeting) = (log.clone(), meeting.clone());
            flow.add((move || {
                let (log, meeting) = (log.clone(), meeting.clone());
                async move {
                    assert_eq!(log.place("top"), 0);
                    meeting.meet().await;
                    turns(10).await;
                    log.push(name);
                }
            }).after(top))
        });
        flow.add(log.note("bottom").after(arms));
        flow.execute().await.unwrap();
        log.assert_order(&["top", "left", "bottom"]);
        log.assert_order(&["top", "right", "bottom"]);
        assert_eq!(log.events().len(), 4);
    }

    async fn seven_functions<R>() {
        // Every choice of plain functions among the seven.
        for plain in 0..128_u32 {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let edges: [(&str, &[&str]); 7] = [
                ("1", &[]),
                ("2", &["1"]),
                ("3", &["1"]),
                ("4", &["2", "3"]),
                ("5", &["3"]),
                ("6", &["4"]),
                ("7", &["1", "5", "6"]),
            ];
            let mut tasks: Vec<Task<()>> = Vec::new();
            for (index, (name, upstreams)) in edges.iter().enumerate() {
                let after: Vec<_> = upstreams
                    .iter()
                    .map(|upstream| tasks[upstream.parse::<usize>().unwrap() - 1])
                    .collect();
                tasks.push(match plain >> index & 1 {
                    0 => flow.add(slow(&log, name).after(after)),
                    _ => flow.add(log.note_blocking(name).after(after)),
                });
            }
            flow.execute().await.unwrap();
            assert_eq!(log.events().len(), 7);
            for (name, upstreams) in edges {
                for upstream in upstreams {
                    log.assert_order(&[upstream, name]);
                }
            }
        }
    }

    async fn out_to_a_thousand_and_in_again<R>() {
        for kind in 0..3 {
            let mut flow = Flow::<R>::new();
            let (first, middle) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let begun = first.clone();
            let source = flow.add(move || {
                let begun = begun.clone();
                async move {
                    turns(20).await;
                    begun.fetch_add(1, Ordering::SeqCst);
                }
            });
            let many: Vec<Task<()>> = (0..1000)
                .map(|n| {
                    let (first, middle) = (first.clone(), middle.clone());
                    let note = move || {
                        assert_eq!(first.load(Ordering::SeqCst), 1);
                        middle.fetch_add(1, Ordering::SeqCst);
                    };
                    match kind == 0 || kind == 1 && n % 2 == 0 {
                        true => flow.add((move || {
                            let note = note.clone();
                            async move {
                                turns(n % 3).await;
                                note();
                            }
                        }).after(source)),
                        false => flow.add(note.after(source)),
                    }
                })
                .collect();
            let all = middle.clone();
            let sink = flow.add((move || all.load(Ordering::SeqCst)).after(many));
            assert_eq!(flow.execute().await.unwrap()[sink], 1000);
            assert_eq!(middle.load(Ordering::SeqCst), 1000);
        }
    }

    // The atomics are relaxed: what makes the writes visible is the flow.
    async fn writes_are_visible_downstream<R>() {
        for _ in 0..20 {
            let mut flow = Flow::<R>::new();
            let cells: Arc<Vec<AtomicU64>> = Arc::new((0..100).map(|_| AtomicU64::new(0)).collect());
            let writers: Vec<Task<()>> = (0..100_usize)
                .map(|n| {
                    let cells = cells.clone();
                    let write = move || cells[n].store(n as u64 + 1, Ordering::Relaxed);
                    match n % 3 {
                        0 => flow.add(write),
                        yields => flow.add(move || {
                            let write = write.clone();
                            async move {
                                turns(yields - 1).await;
                                write();
                            }
                        }),
                    }
                })
                .collect();
            let sum = move || cells.iter().map(|cell| cell.load(Ordering::Relaxed)).sum::<u64>();
            let and_async = sum.clone();
            let plain = flow.add(sum.after(&writers));
            let not = flow.add((move || ready(and_async())).after(&writers));
            let run = flow.execute().await.unwrap();
            assert_eq!((run[plain], run[not]), (5050, 5050));
        }
    }

    // The slow sibling ends only after the fast one's great-grandchild.
    async fn no_layers<R>() {
        for plain in [false, true] {
            for limit in [2, usize::MAX] {
                let (mut flow, log, gate) = (Flow::<R>::new(), Log::new(), Gate::new());
                let (open, notes) = (gate.clone(), log.clone());
                let sibling = match plain {
                    true => flow.add(move || {
                        open.pass_blocking();
                        notes.push("sibling");
                    }),
                    false => flow.add(move || {
                        let (open, notes) = (open.clone(), notes.clone());
                        async move {
                            open.pass().await;
                            notes.push("sibling");
                        }
                    }),
                };
                let fast = flow.add(log.note("fast"));
                let child = flow.add(log.note("child").after(fast));
                let grandchild = flow.add(slow(&log, "grandchild").after(child));
                flow.add((move || { gate.open(); ready(()) }).after(grandchild));
                flow.add(log.note("end").after([sibling, grandchild]));
                flow.execute().max_concurrency(limit).await.unwrap();
                assert_eq!(log.events(), ["fast", "child", "grandchild", "sibling", "end"]);
            }
        }
    }

    // The same with plain functions beside a sibling that is async.
    async fn no_layers_of_plain_functions<R>() {
        let (mut flow, log, gate) = (Flow::<R>::new(), Log::new(), Gate::new());
        let (open, notes) = (gate.clone(), log.clone());
        flow.add(move || {
            let (open, notes) = (open.clone(), notes.clone());
            async move {
                open.pass().await;
                notes.push("sibling");
            }
        });
        let fast = flow.add(log.note_blocking("fast"));
        let child = flow.add(log.note_blocking("child").after(fast));
        flow.add((move || gate.open()).after(child));
        flow.execute().await.unwrap();
        assert_eq!(log.events(), ["fast", "child", "sibling"]);
    }

    // Each of many starts when its own upstream has ended, while all other upstreams still run.
    async fn no_task_waits_for_the_upstream_of_another<R>() {
        let mut flow = Flow::<R>::new();
        let gates: Vec<Gate> = (0..=100).map(|_| Gate::new()).collect();
        gates[100].open();
        for n in 0..100 {
            let (mine, next) = (gates[n].clone(), gates[n + 1].clone());
            let waits = flow.add(move || {
                let next = next.clone();
                async move { next.pass().await }
            });
            flow.add((move || { mine.open(); ready(()) }).after(waits));
        }
        flow.execute().await.unwrap();
        assert!(gates[0].is_open());
    }

    async fn plain_and_async_in_turns<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let names: Vec<&'static str> = (0..40).map(|n| &*format!("{n}").leak()).collect();
        let mut last: Option<Task<()>> = None;
        for (n, name) in names.iter().enumerate() {
            last = Some(match n % 4 {
                0 => flow.add(log.note_blocking(name).after(last)),
                1 => flow.add(log.note(name).after(last)),
                2 => flow.add(slow(&log, name).after(last)),
                _ => flow.add(log.note_blocking(name).after(last)),
            });
        }
        flow.execute().await.unwrap();
        assert_eq!(log.events(), names);
    }

    async fn fifty_that_sleep_at_once<R>() {
        let (mut flow, log, meeting) = (Flow::<R>::new(), Log::new(), Meeting::of(50));
        for _ in 0..50 {
            let (log, meeting) = (log.clone(), meeting.clone());
            flow.add(move || {
                let (log, meeting) = (log.clone(), meeting.clone());
                async move {
                    log.push("started");
                    pause::<R>(Duration::from_millis(20)).await;
                    meeting.meet().await;
                    pause::<R>(Duration::from_millis(20)).await;
                    log.push("ended");
                }
            });
        }
        flow.execute().await.unwrap();
        let events = log.events();
        assert_eq!(events.len(), 100);
        assert!(events[..50].iter().all(|event| event == "started"));
        assert!(events[50..].iter().all(|event| event == "ended"));
    }

    async fn exactly_once_each<R>() {
        let mut numbers = Numbers::new(7);
        let mut flow = Flow::<R>::new();
        let runs: Arc<Vec<AtomicUsize>> = Arc::new((0..600).map(|_| AtomicUsize::new(0)).collect());
        let mut tasks: Vec<Task<()>> = Vec::new();
        for n in 0..600 {
            let upstreams: Vec<_> = (0..numbers.below(4).min(n))
                .map(|_| tasks[numbers.below(n)])
                .collect();
            let runs = runs.clone();
            let count = move || {
                runs[n].fetch_add(1, Ordering::SeqCst);
            };
            tasks.push(match n % 3 {
                0 => flow.add(count.after(upstreams)),
                yields => flow.add((move || {
                    let count = count.clone();
                    async move {
                        count();
                        turns(yields - 1).await;
                    }
                }).after(upstreams)),
            });
        }
        let count = |expected| runs.iter().all(|runs| runs.load(Ordering::SeqCst) == expected);
        flow.execute().await.unwrap();
        assert!(count(1));
        flow.execute().keep_going().max_concurrency(3).await.unwrap();
        assert!(count(2));
        let (one, two) = futures::join!(flow.execute(), flow.execute());
        one.unwrap();
        two.unwrap();
        assert!(count(4));
    }

    // Every task finds that each of its upstreams is done.
    async fn graphs_of_all_kinds<R>() {
        for seed in 0..30 {
            let mut numbers = Numbers::new(seed);
            let mut flow = Flow::<R>::new();
            let len = 5 + numbers.below(120);
            let span = 1 + numbers.below(len);
            let locks = [Lock::new(), Lock::new()];
            let done: Arc<Vec<AtomicUsize>> = Arc::new((0..len).map(|_| AtomicUsize::new(0)).collect());
            let mut tasks: Vec<Task<()>> = Vec::new();
            for n in 0..len {
                // Some of them twice.
                let upstreams: Vec<usize> = (0..numbers.below(5))
                    .map(|_| n.saturating_sub(1 + numbers.below(span)))
                    .filter(|upstream| *upstream < n)
                    .collect();
                let after: Vec<_> = upstreams.iter().map(|upstream| tasks[*upstream]).collect();
                let begin_done = done.clone();
                let begin = move || {
                    for upstream in &upstreams {
                        assert_eq!(begin_done[*upstream].load(Ordering::SeqCst), 1, "{upstream} before {n}");
                    }
                };
                let done = done.clone();
                let end = move || assert_eq!(done[n].fetch_add(1, Ordering::SeqCst), 0);
                let yields = numbers.below(4);
                let waits = move || {
                    let (begin, end) = (begin.clone(), end.clone());
                    async move {
                        begin();
                        turns(yields).await;
                        end();
                    }
                };
                tasks.push(match numbers.below(4) {
                    0 => {
                        let calls = move || futures::executor::block_on(waits());
                        flow.add(calls.after(after))
                    }
                    1 => flow.add(waits.after(after).with_lock(&locks[n % 2])),
                    _ => flow.add(waits.after(after)),
                });
            }
            let execute = flow.execute();
            let execute = match seed % 3 {
                0 => execute.max_concurrency(1 + numbers.below(4)),
                1 => execute.keep_going(),
                _ => execute,
            };
            execute.await.unwrap();
            assert!(done.iter().all(|done| done.load(Ordering::SeqCst) == 1));
        }
    }
}

/// `after`, with everything that it takes.
mod after {
    use super::*;

    on_every_backend! {
        async fn a_handle<R>() {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let a = flow.add(slow(&log, "a"));
            let by_reference = &a;
            let b = flow.add((|| 7_u8).after(by_reference));
            flow.add(log.note("z").after(a).after(TaskId::from(b)));
            flow.execute().await.unwrap();
            assert_eq!(log.events(), ["a", "z"]);
        }

        async fn an_array_a_slice_and_a_vec<R>() {
            for form in 0..6 {
                let (mut flow, log) = (Flow::<R>::new(), Log::new());
                let handles = ["a", "b", "c"].map(|name| flow.add(slow(&log, name)));
                let z = log.note("z");
                let (array, vec) = (&handles, &handles.to_vec());
                match form {
                    0 => flow.add(z.after(handles)),
                    1 => flow.add(z.after(array)),
                    2 => flow.add(z.after(&handles[..])),
                    3 => flow.add(z.after(handles.to_vec())),
                    4 => flow.add(z.after(vec)),
                    _ => flow.add(z.after(handles.map(TaskId::from))),
                };
                flow.execute().await.unwrap();
                assert_eq!(log.events().len(), 4);
                assert_eq!(log.place("z"), 3);
            }
        }

        async fn a_tuple<R>() {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let a = flow.add(slow(&log, "a"));
            let number = (slow(&log, "b"), 1_u8);
            let b = flow.add(move || {
                let first = number.0();
                async move { first.await; number.1 }
            });
            let group = flow.add(parallel![slow(&log, "c"), slow(&log, "d")]);
            flow.add(log.note("z").after((a, b, group)));
            flow.execute().await.unwrap();
            assert_eq!(log.events().len(), 5);
            assert_eq!(log.place("z"), 4);
        }

        async fn a_nested_tuple<R>() {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|name| flow.add(slow(&log, name)));
            let group = flow.add(series![slow(&log, "f"), slow(&log, "g")]);
            flow.add(log.note("z").after(((a, [b]), (vec![c], (Some(d), ((group, e), ()))))));
            flow.execute().await.unwrap();
            assert_eq!(log.events().len(), 8);
            assert_eq!(log.place("z"), 7);
        }

        async fn twelve<R>() {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
            let [a, b, c, d, e, f, g, h, i, j, k, l] = names.map(|name| flow.add(slow(&log, name)));
            flow.add(log.note("z").after((a, b, c, d, e, f, g, h, i, j, k, l)));
            flow.execute().await.unwrap();
            assert_eq!(log.place("z"), 12);
        }

        async fn an_option<R>() {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let gate = Gate::new();
            let open = gate.clone();
            let a = flow.add(move || {
                let open = open.clone();
                async move { open.pass().await }
            });
            let a = flow.add(slow(&log, "a").after(Some(a)));
            flow.add(log.note("z").after(Some([a])));
            // After nothing: it starts while `a` still waits for it.
            flow.add((move || { gate.open(); ready(()) }).after(None::<Task<()>>));
            flow.execute().await.unwrap();
            assert_eq!(log.events(), ["a", "z"]);
        }

        async fn a_group<R>() {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let group = flow.add(parallel![
                slow(&log, "a"),
                series![slow(&log, "b"), slow(&log, "c")],
            ]);
            flow.add(log.note("z").after(group));
            flow.add(log.note("y").after([group, group]));
            flow.execute().await.unwrap();
            log.assert_order(&["a", "z"]);
            log.assert_order(&["b", "c", "z"]);
            log.assert_order(&["a", "y"]);
            log.assert_order(&["c", "y"]);
        }

        // Several calls add up, empty lists add nothing, and a task counts once.
        async fn repeatedly<R>() {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let [a, b] = ["a", "b"].map(|name| flow.add(slow(&log, name)));
            let nothing: [Task<()>; 0] = [];
            flow.add(log.note("z").after(a).after(()).after(nothing).after([a, a]).after(b).after(a));
            flow.execute().await.unwrap();
            assert_eq!(log.events().len(), 3);
            assert_eq!(log.place("z"), 2);
        }
    }
}

/// Tasks that one upstream made ready start in the order of declaration, on one thread, where it is
/// known what comes first.
mod siblings {
    use super::*;

    /// More than a driver claims at a time.
    const SIBLINGS: usize = 40;

    #[derive(Clone, Copy, Debug)]
    enum Kind {
        Async,
        Waits,
        Plain,
        /// Computes for longer than a slice of time, which ends when it has made others ready.
        Long,
    }

    /// What `max_concurrency` is, if there is a limit.
    type Limit = Option<usize>;

    const KINDS: [Kind; 3] = [Kind::Async, Kind::Waits, Kind::Plain];

    fn add<R: Runtime>(
        flow: &mut Flow<R>,
        kind: Kind,
        upstream: Option<Task<()>>,
        lock: Option<&Lock>,
        note: impl Fn() + Clone + Send + Sync + 'static,
    ) -> Task<()> {
        let lock: Vec<&Lock> = lock.into_iter().collect();
        macro_rules! add {
            ($function:expr) => {{
                let mut configured = $function.after(upstream);
                for lock in lock {
                    configured = configured.with_lock(lock);
                }
                flow.add(configured)
            }};
        }
        match kind {
            Kind::Async => add!(move || ready(note())),
            Kind::Waits => add!(again!((note) {
                note();
                turns(2).await;
            })),
            Kind::Plain => add!(note),
            Kind::Long => add!(move || {
                thread::sleep(Duration::from_millis(3));
                ready(note())
            }),
        }
    }

    /// With these limits, and with or without a lock for the siblings.
    async fn start_in_order<R: Runtime>(runtime: R, kinds: &[Kind], limits: &[Limit], lock: bool) {
        for parent in KINDS.into_iter().chain([Kind::Long]) {
            for kind in kinds {
                for lock in [None, lock.then(Lock::new)] {
                    let (mut flow, started) = (Flow::on(runtime.clone()), Arc::default());
                    let upstream = add(&mut flow, parent, None, None, || ());
                    for number in 0..SIBLINGS {
                        let started: Arc<Mutex<Vec<usize>>> = Arc::clone(&started);
                        let note = move || started.lock().unwrap().push(number);
                        add(&mut flow, *kind, Some(upstream), lock.as_ref(), note);
                    }
                    for limit in limits {
                        let execute = match limit {
                            Some(limit) => flow.execute().max_concurrency(*limit),
                            None => flow.execute(),
                        };
                        execute.await.unwrap();
                        let started = std::mem::take(&mut *started.lock().unwrap());
                        let context = format!("{parent:?} {kind:?} {lock:?} {limit:?}");
                        assert!(
                            started.iter().copied().eq(0..SIBLINGS),
                            "{context}: {started:?}"
                        );
                    }
                }
            }
        }
    }

    const LIMITS: [Limit; 4] = [Some(1), Some(2), Some(7), None];

    #[test]
    fn tokio_current() {
        on_tokio_current(|| start_in_order(TokioRuntime::default(), &KINDS, &LIMITS, true));
    }

    /// Without plain functions, for which there is more than one thread.
    #[test]
    fn smol() {
        let kinds = &[Kind::Async, Kind::Waits];
        on_smol_current(|runtime| start_in_order(runtime, kinds, &LIMITS, true));
    }

    on_every_backend! {
        // With a slot for one task the order is known on any number of threads.
        async fn with_one_slot<R>() {
            start_in_order(R::default(), &KINDS, &[Some(1)], false).await;
        }
    }
}
