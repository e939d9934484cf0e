//! Groups: `Series` and `Parallel`, with exactly the edges that they mean.

use std::collections::BTreeSet;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use asyncflow::Member;
use asyncflow::prelude::*;
use asyncflow_tests::{
    Gate, Job, Log, Meeting, Numbers, counts, on_every_backend, opens, passes, slow, yield_now,
};

/// Tasks each of which ends only when all of them run.
fn meeting(count: usize) -> Vec<impl Fn() -> Job + Send + Sync + use<>> {
    let meeting = Meeting::of(count);
    (0..count).map(|_| meeting.task()).collect()
}

/// A group without a task in it, in one of many forms.
fn empty(form: usize) -> Member {
    match form {
        0 => Member::new(parallel![]),
        1 => Member::new(series![]),
        2 => Member::new(parallel![parallel![]]),
        3 => Member::new(series![series![]]),
        4 => Member::new(parallel![series![], parallel![]]),
        5 => Member::new(series![parallel![], series![], parallel![]]),
        6 => Member::new(series![
            parallel![series![parallel![], series![]]],
            parallel![]
        ]),
        7 => Member::new((0..100).map(|_| parallel![]).collect::<Series>()),
        _ => Member::new((0..100).map(|_| series![]).collect::<Parallel>()),
    }
}

const EMPTY_FORMS: usize = 9;

on_every_backend! {
    async fn a_series<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        flow.add(series![slow(&log, "a"), log.note_blocking("b"), slow(&log, "c"), log.note("d")]);
        assert_eq!(flow.len(), 4);
        flow.execute().await.unwrap();
        assert_eq!(log.events(), ["a", "b", "c", "d"]);
    }

    async fn a_parallel<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let mut two = meeting(2).into_iter();
        let (one, two) = (two.next().unwrap(), two.next().unwrap());
        flow.add(parallel![one, log.note_blocking("b"), two, || 3_u8]);
        assert_eq!(flow.len(), 4);
        flow.execute().await.unwrap();
        assert_eq!(log.events(), ["b"]);
    }

    async fn then_and_with<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let mut steps = Series::new();
        for name in ["a", "b", "c"] {
            steps = steps.then(slow(&log, name));
        }
        let mut side_by_side = Parallel::new();
        for task in meeting(30) {
            side_by_side = side_by_side.with(task);
        }
        assert_eq!((steps.len(), side_by_side.len()), (3, 30));
        assert!(Series::default().is_empty() && Parallel::default().is_empty());
        flow.add(steps.then(side_by_side).then(log.note("z")));
        flow.execute().await.unwrap();
        assert_eq!(log.events(), ["a", "b", "c", "z"]);
    }

    async fn collect_and_extend<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let count = Arc::new(AtomicUsize::new(0));

        // Async functions of one type, among them async closures.
        let mut steps: Series = (0..4).map(|_| async || yield_now().await).collect();
        steps.extend((0..3).map(|_| counts(&count)));
        let mut sides: Parallel = (0..4).map(|_| async || 7_u8).collect();
        sides.extend((0..3).map(|_| counts(&count)));
        assert_eq!((steps.len(), sides.len()), (7, 7));

        // Groups.
        steps.extend((0..2).map(|_| parallel![counts(&count), counts(&count)]));
        steps.extend((0..2).map(|_| series![counts(&count)]));
        sides.extend((0..2).map(|_| parallel![counts(&count)]));
        sides.extend((0..2).map(|_| series![counts(&count), counts(&count)]));

        // Anything else, as members.
        steps.extend([Member::new(log.note_blocking("a")), Member::new(series![slow(&log, "b"), slow(&log, "c")])]);
        steps.extend((0..2).map(|_| Member::new(|| Ok::<_, &str>(1))));
        sides.extend([Member::new(steps), Member::new(log.note("d").named("d"))]);

        let all = flow.add(sides);
        assert_eq!(flow.len(), 32);
        let sum = count.clone();
        let sum = flow.add((move || sum.load(Ordering::SeqCst)).after(all));
        assert_eq!(flow.execute().await.unwrap()[sum], 18);
        log.assert_order(&["a", "b", "c"]);
        log.place("d");
    }

    // A collected series keeps the order, a collected parallel has none.
    async fn collected_in_order<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let names = ["a", "b", "c", "d", "e"];
        flow.add(names.map(|name| slow(&log, name)).into_iter().collect::<Series>());
        flow.execute().await.unwrap();
        assert_eq!(log.events(), names);

        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let members = names.iter().enumerate().map(|(n, name)| match n % 2 {
            0 => Member::new(slow(&log, name)),
            _ => Member::new(log.note_blocking(name)),
        });
        flow.add(members.collect::<Series>());
        flow.execute().await.unwrap();
        assert_eq!(log.events(), names);

        let mut flow = Flow::<R>::new();
        flow.add(meeting(40).into_iter().collect::<Parallel>());
        flow.add(meeting(2).into_iter().map(Member::new).collect::<Parallel>());
        flow.execute().await.unwrap();
    }

    // A series in a parallel does not wait for the members beside it, nor they for it.
    async fn nested<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let (one, two) = (Gate::new(), Gate::new());
        flow.add(series![
            slow(&log, "f"),
            slow(&log, "g"),
            parallel![
                series![opens(&one), passes(&two), slow(&log, "h")],
                series![passes(&one), slow(&log, "i"), parallel![opens(&two), slow(&log, "j")]],
                slow(&log, "k"),
            ],
            log.note("l"),
            parallel![log.note("m"), series![log.note("n"), log.note("o")]],
        ]);
        assert_eq!(flow.len(), 14);
        flow.execute().await.unwrap();
        log.assert_order(&["f", "g", "i", "j", "l", "m"]);
        log.assert_order(&["g", "h", "l", "n", "o"]);
        log.assert_order(&["i", "h"]);
        log.assert_order(&["g", "k", "l"]);
    }

    async fn every_member_before_every_member<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let group = || {
            let members = ["a", "b", "c", "d", "e", "f"].map(|name| Member::new(slow(&log, name)));
            members.into_iter().collect::<Parallel>()
        };
        flow.add(series![group(), group(), parallel![parallel![group()]], series![group()]]);
        flow.execute().await.unwrap();
        let events = log.events();
        assert_eq!(events.len(), 24);
        for turn in events.chunks(6) {
            assert_eq!(turn.iter().collect::<BTreeSet<_>>().len(), 6, "{events:?}");
        }
    }

    async fn after_what_a_group_is_told<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let x = flow.add(slow(&log, "x"));
        let y = flow.add(slow(&log, "y"));
        flow.add(series![
            log.note("a"),
            parallel![log.note("b"), series![log.note("c")]].after([x, y]),
            series![log.note("d"), log.note("e")].after(x),
        ]);
        flow.add(parallel![log.note("f"), log.note("g")].after(x).after(y));
        flow.add(series![log.note("h")].after(Some(x)).after(()));
        flow.execute().await.unwrap();
        for order in [["x", "b"], ["y", "c"], ["a", "b"], ["b", "d"], ["c", "d"], ["d", "e"],
            ["x", "f"], ["y", "f"], ["x", "g"], ["y", "g"], ["x", "h"]]
        {
            log.assert_order(&order);
        }
        assert_eq!(log.events().len(), 10);
    }

    // `x` waits for a member beside the group that is after `x`.
    async fn after_holds_back_no_other_member<R>() {
        let (mut flow, log, gate) = (Flow::<R>::new(), Log::new(), Gate::new());
        let x = flow.add(passes(&gate));
        let x = flow.add(slow(&log, "x").after(x));
        let group = flow.add(parallel![
            parallel![log.note("a"), log.note("b")].after(x),
            parallel![].after(x),
            series![].after(x),
            series![log.note("c"), opens(&gate)],
        ]);
        flow.add(log.note("z").after(group));
        flow.execute().await.unwrap();
        log.assert_order(&["c", "x", "a", "z"]);
        log.assert_order(&["x", "b", "z"]);
    }

    async fn groups_after_groups<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let first = flow.add(parallel![slow(&log, "a"), slow(&log, "b"), log.note_blocking("c")]);
        let second = flow.add(series![slow(&log, "d"), slow(&log, "e")]);
        let third = flow.add(parallel![slow(&log, "f"), slow(&log, "g")].after((first, [second])));
        let fourth = flow.add(series![slow(&log, "h")].after([first, second, third]));
        flow.add(log.note("z").after(fourth));
        flow.execute().await.unwrap();
        let events = log.events();
        assert_eq!(events.len(), 9);
        for name in ["a", "b", "c", "d", "e"] {
            log.assert_order(&[name, "f"]);
            log.assert_order(&[name, "g"]);
        }
        assert_eq!(events[7..], ["h", "z"]);
    }

    async fn flows_from_groups<R>() {
        let log = Log::new();
        let flow = Flow::<R>::from(series![slow(&log, "a"), parallel![slow(&log, "b")], log.note("c")]);
        assert_eq!(flow.len(), 3);
        flow.execute().await.unwrap();
        assert_eq!(log.events(), ["a", "b", "c"]);
        let mut flow: Flow<R> = meeting(5).into_iter().collect::<Parallel>().into();
        assert_eq!(flow.len(), 5);
        flow.add(log.note("d"));
        flow.execute().await.unwrap();
        assert_eq!(log.events(), ["a", "b", "c", "d"]);
        for flow in [Flow::<R>::from(series![]), Flow::from(parallel![])] {
            assert!(flow.is_empty());
            flow.execute().await.unwrap();
        }
    }

    // A failure goes through gates and empty groups.
    async fn a_failure_in_a_group<R>() {
        for form in 0..EMPTY_FORMS {
            let (mut flow, log) = (Flow::<R>::new(), Log::new());
            let group = flow.add(series![
                log.note("a"),
                parallel![slow(&log, "b"), || Err::<(), _>("no"), slow(&log, "c")],
                empty(form),
                parallel![log.note("d"), series![log.note("e"), log.note("f")]],
            ]);
            flow.add(log.note("g").after(group));
            flow.add(parallel![log.note("h"), log.note("i")].after(group));
            let error = flow.execute().keep_going().await.unwrap_err();
            assert_eq!(error.failures().count(), 1);
            let mut events = log.events();
            events.sort();
            assert_eq!(events, ["a", "b", "c"]);
        }
    }
}

mod empty_groups {
    use super::*;

    on_every_backend! {
        async fn between_two<R>() {
            for form in 0..EMPTY_FORMS {
                let (mut flow, log) = (Flow::<R>::new(), Log::new());
                flow.add(series![slow(&log, "a"), empty(form), slow(&log, "b"), empty(form), empty(form), log.note("c")]);
                assert_eq!(flow.len(), 3);
                flow.execute().await.unwrap();
                assert_eq!(log.events(), ["a", "b", "c"]);
            }
        }

        async fn first_and_last<R>() {
            for form in 0..EMPTY_FORMS {
                let (mut flow, log) = (Flow::<R>::new(), Log::new());
                let x = flow.add(slow(&log, "x"));
                let group = flow.add(series![empty(form), slow(&log, "a"), slow(&log, "b"), empty(form)].after(x));
                flow.add(log.note("z").after(group));
                flow.execute().await.unwrap();
                assert_eq!(log.events(), ["x", "a", "b", "z"]);
            }
        }

        async fn between_two_parallel<R>() {
            for form in 0..EMPTY_FORMS {
                let (mut flow, log) = (Flow::<R>::new(), Log::new());
                flow.add(series![
                    parallel![slow(&log, "a"), slow(&log, "b")],
                    empty(form),
                    parallel![slow(&log, "c"), empty(form), slow(&log, "d")],
                    empty(form),
                    log.note("e"),
                ]);
                flow.execute().await.unwrap();
                for order in [["a", "c"], ["a", "d"], ["b", "c"], ["b", "d"], ["c", "e"], ["d", "e"]] {
                    log.assert_order(&order);
                }
            }
        }

        async fn beside_others<R>() {
            for form in 0..EMPTY_FORMS {
                for place in 0..3 {
                    let (mut flow, log) = (Flow::<R>::new(), Log::new());
                    let mut members = vec![Member::new(slow(&log, "b")), Member::new(slow(&log, "c"))];
                    members.insert(place, empty(form));
                    let members: Parallel = members.into_iter().collect();
                    let group = flow.add(series![slow(&log, "a"), members, log.note("d")]);
                    flow.add(log.note("e").after(group));
                    flow.execute().await.unwrap();
                    log.assert_order(&["a", "b", "d", "e"]);
                    log.assert_order(&["a", "c", "d", "e"]);
                }
            }
        }

        async fn alone<R>() {
            for form in 0..EMPTY_FORMS {
                let (mut flow, log) = (Flow::<R>::new(), Log::new());
                let nothing = flow.add(empty(form));
                assert!(flow.is_empty());
                let run = flow.execute().await.unwrap();
                assert_eq!(run.report().tasks().count(), 0);
                let a = flow.add(slow(&log, "a").after(nothing));
                let nothing = flow.add(parallel![empty(form)].after([a]).after(nothing));
                flow.add(log.note("b").after(nothing));
                assert_eq!(flow.len(), 2);
                flow.execute().await.unwrap();
                assert_eq!(log.events(), ["a", "b"]);
            }
        }

        // The group is empty, and yet what follows it is after `x`.
        async fn after_something<R>() {
            for form in 0..4 {
                let (mut flow, log) = (Flow::<R>::new(), Log::new());
                let (x, y) = (flow.add(slow(&log, "x")), flow.add(slow(&log, "y")));
                let nothing = match form {
                    0 => Member::new(parallel![].after(x).after(y)),
                    1 => Member::new(series![].after([x, y])),
                    2 => Member::new(parallel![series![].after(x), parallel![].after(y)]),
                    _ => Member::new(series![parallel![].after(x), series![parallel![parallel![].after(y)]]]),
                };
                flow.add(series![log.note("a"), nothing, log.note("b")]);
                flow.execute().await.unwrap();
                assert_eq!(log.events().len(), 4);
                for before in ["a", "x", "y"] {
                    log.assert_order(&[before, "b"]);
                }
            }
            for form in 0..5 {
                let (mut flow, log) = (Flow::<R>::new(), Log::new());
                let x = flow.add(slow(&log, "x"));
                let nothing = || parallel![].after(x);
                let group = match form {
                    0 => flow.add(Member::new(nothing())),
                    1 => flow.add(Member::new(series![nothing(), log.note("a")])),
                    2 => flow.add(Member::new(series![log.note("a"), nothing()])),
                    3 => flow.add(Member::new(parallel![log.note("a"), nothing()])),
                    _ => flow.add(Member::new(parallel![nothing(), nothing(), series![log.note("a"), nothing()]])),
                };
                flow.add(log.note("z").after(group));
                flow.execute().await.unwrap();
                log.assert_order(&["x", "z"]);
                if form == 1 {
                    log.assert_order(&["x", "a"]);
                }
            }
        }
    }
}

/// A tree of groups, and what it means.
mod trees {
    use super::*;

    enum Tree {
        Task(usize, Vec<usize>),
        Series(Vec<Tree>, Vec<usize>),
        Parallel(Vec<Tree>, Vec<usize>),
    }

    /// So many tasks are in the flow before the tree is.
    const BEFORE: usize = 4;

    fn grow(numbers: &mut Numbers, depth: usize, tasks: &mut usize) -> Tree {
        let after: Vec<usize> = match numbers.below(4) {
            0 => (0..1 + numbers.below(2))
                .map(|_| numbers.below(BEFORE))
                .collect(),
            _ => Vec::new(),
        };
        if depth == 0 || numbers.below(3) == 0 {
            *tasks += 1;
            return Tree::Task(*tasks - 1, after);
        }
        let members = (0..numbers.below(5))
            .map(|_| grow(numbers, depth - 1, tasks))
            .collect();
        match numbers.below(2) {
            0 => Tree::Series(members, after),
            _ => Tree::Parallel(members, after),
        }
    }

    /// Notes everything that is before each task; gives everything that is before what follows.
    fn means(
        tree: &Tree,
        before: &BTreeSet<usize>,
        tasks: &mut [BTreeSet<usize>],
    ) -> BTreeSet<usize> {
        let (Tree::Task(_, after) | Tree::Series(_, after) | Tree::Parallel(_, after)) = tree;
        let mut before = before.clone();
        before.extend(after);
        match tree {
            Tree::Task(task, _) => {
                tasks[*task] = before.clone();
                before.insert(*task);
                before
            }
            Tree::Series(members, _) => members
                .iter()
                .fold(before, |before, member| means(member, &before, tasks)),
            Tree::Parallel(members, _) => {
                let ends: Vec<_> = members
                    .iter()
                    .map(|member| means(member, &before, tasks))
                    .collect();
                before.extend(ends.into_iter().flatten());
                before
            }
        }
    }

    /// Which tasks have run, and which is to fail.
    struct Trial {
        ran: Vec<AtomicBool>,
        failing: AtomicUsize,
    }

    impl Trial {
        fn task(
            self: &Arc<Self>,
            task: usize,
        ) -> impl Fn() -> Ready<Result<(), &'static str>> + Send + Sync + 'static {
            let trial = self.clone();
            move || {
                let twice = trial.ran[task].swap(true, Ordering::SeqCst);
                let fails = twice || trial.failing.load(Ordering::SeqCst) == task;
                ready(if fails { Err("no") } else { Ok(()) })
            }
        }
    }

    fn build(tree: Tree, trial: &Arc<Trial>, before: &[Task<()>]) -> Member {
        let list = |after: Vec<usize>| {
            after
                .into_iter()
                .map(|task| before[task])
                .collect::<Vec<_>>()
        };
        let each = |member| build(member, trial, before);
        match tree {
            Tree::Task(task, after) => Member::new(trial.task(task).after(list(after))),
            Tree::Series(members, after) => Member::new(
                members
                    .into_iter()
                    .map(each)
                    .collect::<Series>()
                    .after(list(after)),
            ),
            Tree::Parallel(members, after) => Member::new(
                members
                    .into_iter()
                    .map(each)
                    .collect::<Parallel>()
                    .after(list(after)),
            ),
        }
    }

    on_every_backend! {
        // With each task failing in its turn, exactly those run that are not after it: so there
        // is every edge that there should be, and no other.
        async fn exactly_the_edges_that_they_mean<R>() {
            for seed in 0..80 {
                let mut tasks = BEFORE;
                let tree = grow(&mut Numbers::new(seed), 4, &mut tasks);
                let mut before = vec![BTreeSet::new(); tasks + 1];
                before[tasks] = means(&tree, &BTreeSet::new(), &mut before);
                let trial = Arc::new(Trial {
                    ran: (0..=tasks).map(|_| AtomicBool::new(false)).collect(),
                    failing: AtomicUsize::new(usize::MAX),
                });
                let mut flow = Flow::<R>::new();
                let firsts: Vec<Task<()>> = (0..BEFORE).map(|task| flow.add(trial.task(task))).collect();
                let group = flow.add(build(tree, &trial, &firsts));
                flow.add(trial.task(tasks).after(group));
                assert_eq!(flow.len(), tasks + 1);
                for failing in 0..=tasks {
                    trial.failing.store(failing, Ordering::SeqCst);
                    flow.execute().keep_going().await.unwrap_err();
                    for (task, before) in before.iter().enumerate() {
                        let ran = trial.ran[task].swap(false, Ordering::SeqCst);
                        let expected = !before.contains(&failing);
                        assert_eq!(ran, expected, "seed {seed}: {task} when {failing} fails");
                    }
                }
            }
        }
    }
}
