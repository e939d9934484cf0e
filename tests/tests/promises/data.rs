//! Typed data between tasks.

use std::error::Error;
use std::future::ready;
use std::io;

use asyncflow::prelude::*;
use asyncflow_tests::{
    Guard, Guards, LONG, Log, Numbers, again, on_every_backend, panic_message, skipped, turns,
};

/// Neither `Clone` nor an `Output`.
#[derive(Debug, PartialEq)]
struct Big(Vec<u8>);

/// Where a value lies.
fn address<T>(value: &T) -> usize {
    std::ptr::from_ref(value).addr()
}

#[derive(Debug, Output, PartialEq)]
struct Html(String);

/// The same code for every backend.
fn build<R: asyncflow::Runtime>(flow: &mut Flow<R>) -> Task<Html> {
    let user = flow.add(async || "Ada".to_owned());
    let posts = flow.add((async |user: &String| vec![format!("{user}'s")]).inputs(user));
    let html = |user: &String, posts: &Vec<String>| Html(format!("{user}: {}", posts.concat()));
    flow.add(html.inputs((user, posts)))
}

on_every_backend! {
    async fn the_same_for_every_backend<R>() {
        let mut flow = Flow::<R>::new();
        let html = build(&mut flow);
        assert_eq!(flow.execute().await.unwrap()[html], Html("Ada: Ada's".into()));
    }

    async fn one_address_for_all<R>() {
        let mut flow = Flow::<R>::new();
        let big = flow.add(|| Ok::<_, io::Error>(Big(vec![1; 100])));
        let plain = flow.add((|big: &Big| address(big)).inputs(big));
        let async_ = flow.add((async |big: &Big| address(big)).inputs(big));
        let listed = flow.add((|bigs: Vec<&Big>| address(bigs[1])).inputs(vec![big, big]));
        let run = flow.execute().await.unwrap();
        let here = address(&run[big]);
        assert_eq!([run[plain], run[async_], run[listed]], [here; 3]);
    }

    async fn every_kind_of_input_at_once<R>() {
        let mut flow = Flow::<R>::new();
        let number = flow.add(|| 1_u8);
        let text = flow.add(async || "two");
        let list: Vec<Task<u32>> = (3..6).map(|n| flow.add(move || n)).collect();
        let array = [list[0], list[2]];
        let failed = flow.add(|| -> Result<u64, &'static str> { Err("no number") });
        let taken = flow.add(|| Ok::<_, String>(Big(vec![9])));
        let before = flow.add(|| ());
        let function = |n: &u8, t: &&str, list: Vec<&u32>, array: Vec<&u32>, o: Option<&u64>, b: Big| {
            let (list, array): (u32, u32) = (list.into_iter().sum(), array.into_iter().sum());
            format!("{n} {t} {list} {array} {o:?} {b:?}")
        };
        let all = (number, text, list, array, failed.optional(), taken.moved());
        let after_failure = flow.add(function.after(before).inputs(all).named("all"));
        let error = flow.execute().keep_going().await.unwrap_err();
        let run = error.outputs().unwrap();
        assert_eq!(run[after_failure], "1 two 12 8 None Big([9])");
    }

    // It starts after the end of each, and has the value of the branch that ran.
    async fn optional_inputs_join_branches<R>() {
        for left in [true, false] {
            let mut flow = Flow::<R>::new();
            let flag = flow.add(move || left);
            let not = flow.add((|flag: &bool| !flag).inputs(flag));
            let a = flow.add((|| "left").run_if(flag));
            let b = flow.add((async || "right").run_if(not));
            let join = |a: Option<&&str>, b: Option<&&str>| a.or(b).unwrap().to_string();
            let join = flow.add(join.inputs((a.optional(), b.optional())).after_any((a, b)));
            let run = flow.execute().await.unwrap();
            assert_eq!(run[join], if left { "left" } else { "right" });
        }
    }

    // Whatever the reason: it failed, was skipped, or is a unit that did not succeed.
    async fn optional_inputs_never_skip<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let flag = flow.add(|| false);
        let failed = flow.add(async || { turns(3).await; Err::<u8, _>("no") });
        let unit = flow.add((|_: &u8| ()).inputs(failed));
        let skipped = flow.add((|| 1_u8).run_if(flag));
        let told = log.clone();
        let join = move |failed: Option<&u8>, unit: Option<&()>, skipped: Option<&u8>| {
            told.push("join");
            failed.is_none() && unit.is_none() && skipped.is_none()
        };
        let join = flow.add(join.inputs((failed.optional(), unit.optional(), skipped.optional())));
        // A task that needs one of them as well is skipped because of it.
        let strict = flow.add((|_: Option<&u8>| ()).inputs(failed.optional()).after(failed));
        let error = flow.execute().keep_going().await.unwrap_err();
        let run = error.outputs().unwrap();
        assert!(run[join]);
        assert_eq!(log.events(), ["join"]);
        let because = failed.into();
        assert_eq!(run.report().status(strict), TaskStatus::Skipped { because });
    }

    async fn every_kind_of_input_arrives<R>() {
        let mut flow = Flow::<R>::new();
        let number = flow.add(|| 1_u8);
        let list: Vec<Task<u32>> = (3..6).map(|n| flow.add(move || n)).collect();
        let array = [list[0], list[2]];
        let some = flow.add(async || 7_u64);
        let taken = flow.add(|| Ok::<_, String>(Big(vec![9])));
        let plain = |n: &u8, list: Vec<&u32>, array: Vec<&u32>, o: Option<&u64>, b: Big| {
            format!("{n} {list:?} {array:?} {o:?} {b:?}")
        };
        let all = (number, list, array, some.optional(), taken.moved());
        let plain = flow.add(plain.inputs(all).after(some).named("plain"));
        let run = flow.execute().await.unwrap();
        assert_eq!(run[plain], "1 [3, 4, 5] [3, 5] Some(7) Big([9])");
    }

    async fn units<R>() {
        let mut flow = Flow::<R>::new();
        let unit = flow.add(|| ());
        let next = flow.add((|(): &()| 1).inputs(unit));
        let taken = flow.add((async |()| 2).inputs(unit.moved()).named("taken"));
        // A unit is taken by value once, as other values are.
        assert!(flow.execute().await.is_err());
        let run = flow.execute().only(next).await;
        assert!(run.is_err());
        let mut flow = Flow::<R>::new();
        let unit = flow.add(|| ());
        let next = flow.add((|(): &()| 1).inputs(unit));
        let mut run = flow.execute().await.unwrap();
        assert_eq!((run.get(unit), run[next]), (Some(&()), 1));
        assert_eq!(run.take(unit), Some(()));
        let _ = taken;
    }

    async fn what_a_run_says_of_outputs_that_are_gone<R>() {
        let mut flow = Flow::<R>::new();
        let big = flow.add((|| Ok::<_, String>(Big(vec![]))).named("big"));
        let taker = flow.add((|big: Big| big.0).inputs(big.moved()).named("taker"));
        let mut run = flow.execute().await.unwrap();
        run.take(taker);
        let moved = panic_message(|| format!("{:?}", run[big]));
        assert!(moved.contains("`big`") && moved.contains("`taker`"), "{moved}");
        let taken = panic_message(|| format!("{:?}", run[taker]));
        assert!(taken.contains("`taker`"), "{taken}");
    }

    async fn outputs_need_not_be_any_more_than_send_and_sync<R>() {
        // Not `Clone`, not `Debug`, not `Default`: nothing but what threads need.
        struct Bare(#[allow(dead_code)] Box<dyn Fn() -> u8 + Send + Sync>);
        let mut flow = Flow::<R>::new();
        let bare = flow.add(|| Ok::<_, String>(Bare(Box::new(|| 3))));
        let called = flow.add((|bare: &Bare| bare.0()).inputs(bare));
        assert_eq!(flow.execute().await.unwrap()[called], 3);
    }
}

/// How the outputs of other tasks reach a function.
mod inputs {
    use super::*;

    /// Not an `Output`, and neither `Clone` nor `Default`.
    struct User {
        name: &'static str,
    }

    fn user() -> Result<User, io::Error> {
        Ok(User { name: "Ada" })
    }

    fn plain(user: &User) -> usize {
        address(user)
    }

    async fn async_(user: &User) -> usize {
        turns(2).await;
        // Borrowed while it waits.
        assert_eq!(user.name, "Ada");
        address(user)
    }

    fn optional(user: Option<&User>) -> usize {
        user.map_or(0, address)
    }

    async fn list(users: Vec<&User>) -> Vec<usize> {
        users.into_iter().map(address).collect()
    }

    async fn moved(user: User) -> Result<User, io::Error> {
        turns(2).await;
        Ok(user)
    }

    fn moved_plain(user: User) -> Result<User, io::Error> {
        Ok(user)
    }

    macro_rules! sums {
        ($flow:ident, $tasks:ident, $run:ident => $($len:literal: $($arg:ident $index:tt),+;)+) => {
            let sums = [$((
                $len,
                $flow.add((|$($arg: &u32),+| [$(*$arg),+]).inputs(($($tasks[$index],)+))).optional(),
                $flow.add((async |$($arg: &u32),+| { turns(1).await; vec![$(*$arg),+] })
                    .inputs(($($tasks[$index],)+))),
            ).erased(&mut $flow)),+];
            let $run = $flow.execute().await.unwrap();
            for (len, plain, async_) in sums {
                let expected: Vec<u32> = (0..len).collect();
                assert_eq!(($run[plain].as_slice(), &$run[async_]), (expected.as_slice(), &expected));
            }
        };
    }

    /// Arrays of all lengths, as lists.
    trait Erased {
        fn erased<R: asyncflow::Runtime>(
            self,
            flow: &mut Flow<R>,
        ) -> (u32, Task<Vec<u32>>, Task<Vec<u32>>);
    }

    impl<const N: usize> Erased for (u32, asyncflow::Optional<[u32; N]>, Task<Vec<u32>>) {
        fn erased<R: asyncflow::Runtime>(
            self,
            flow: &mut Flow<R>,
        ) -> (u32, Task<Vec<u32>>, Task<Vec<u32>>) {
            let list = |array: Option<&[u32; N]>| array.map_or(Vec::new(), |array| array.to_vec());
            (self.0, flow.add(list.inputs(self.1)), self.2)
        }
    }

    on_every_backend! {
        async fn in_every_form<R>() {
            let mut flow = Flow::<R>::new();
            let here = flow.add(user);
            let addresses = [
                flow.add(plain.inputs(here)),
                flow.add(plain.inputs((here,))),
                flow.add(async_.inputs(here)),
                flow.add((|user: &User| address(user)).inputs(here)),
                flow.add((async |user: &User| address(user)).inputs(here)),
                flow.add(optional.inputs(here.optional())),
                flow.add((async |user: Option<&User>| user.map_or(0, address)).inputs(here.optional())),
                flow.add(once(plain).inputs(here)),
                flow.add(once(async_).inputs(here)),
            ];
            let lists = [
                flow.add(list.inputs([here])),
                flow.add(list.inputs(vec![here; 3])),
                flow.add(list.inputs([here; 5])),
                flow.add((|users: Vec<&User>| users.into_iter().map(address).collect::<Vec<_>>()).inputs(vec![here; 2])),
            ];
            let run = flow.execute().await.unwrap();
            let here = address(&run[here]);
            for task in addresses {
                assert_eq!(run[task], here);
            }
            for (task, len) in lists.into_iter().zip([1, 3, 5, 2]) {
                assert_eq!(run[task], vec![here; len]);
            }
        }

        async fn tuples_of_every_length<R>() {
            let mut flow = Flow::<R>::new();
            let t: Vec<Task<u32>> = (0..12).map(|n| flow.add(move || n)).collect();
            sums!(flow, t, run =>
                1: a 0;
                2: a 0, b 1;
                3: a 0, b 1, c 2;
                4: a 0, b 1, c 2, d 3;
                5: a 0, b 1, c 2, d 3, e 4;
                6: a 0, b 1, c 2, d 3, e 4, f 5;
                7: a 0, b 1, c 2, d 3, e 4, f 5, g 6;
                8: a 0, b 1, c 2, d 3, e 4, f 5, g 6, h 7;
                9: a 0, b 1, c 2, d 3, e 4, f 5, g 6, h 7, i 8;
                10: a 0, b 1, c 2, d 3, e 4, f 5, g 6, h 7, i 8, j 9;
                11: a 0, b 1, c 2, d 3, e 4, f 5, g 6, h 7, i 8, j 9, k 10;
                12: a 0, b 1, c 2, d 3, e 4, f 5, g 6, h 7, i 8, j 9, k 10, l 11;
            );
        }

        async fn long_lists_in_order<R>() {
            let mut flow = Flow::<R>::new();
            let mut numbers: Vec<Task<usize>> = (0..1000)
                .map(|n| match n % 3 {
                    0 => flow.add(move || n),
                    _ => flow.add(move || async move { turns(n % 5).await; n }),
                })
                .collect();
            numbers.reverse();
            let list = |list: Vec<&usize>| list.into_iter().copied().collect::<Vec<_>>();
            let all = flow.add(list.inputs(numbers.clone()));
            let none = flow.add(list.inputs(Vec::<Task<_>>::new()));
            let twice = flow.add(list.inputs([numbers[0], numbers[1], numbers[0]]));
            let run = flow.execute().await.unwrap();
            assert!(run[all].iter().copied().eq((0..1000).rev()));
            assert!(run[none].is_empty());
            assert_eq!(run[twice], [999, 998, 999]);
            // The same where outputs leave early.
            let run = flow.execute().only((all, twice, none)).await.unwrap();
            assert!(run[all].iter().copied().eq((0..1000).rev()));
            assert!(run[none].is_empty());
            assert_eq!(run[twice], [999, 998, 999]);
        }

        // `after`, `inputs` and the others in any order; the data is there and the order is kept.
        async fn configured_in_any_order<R>() {
            for form in 0..6 {
                let (mut flow, log, lock) = (Flow::<R>::new(), Log::new(), Lock::new());
                let notes = log.clone();
                let before = flow.add(again!((notes) { turns(20).await; notes.push("before"); }));
                let (one, two) = (flow.add(|| 1_u8), flow.add(async || "two"));
                let notes = log.clone();
                let f = move |one: &u8, two: &&str| {
                    notes.push("f");
                    format!("{one} {two}")
                };
                                let f = match form {
                    0 => flow.add(f.after(before).inputs((one, two))),
                    1 => flow.add(f.inputs((one, two)).after(before)),
                    2 => flow.add(f.named("f").inputs((one, two)).after([before]).with_lock(&lock)),
                    3 => flow.add(f.with_lock(&lock).after(one).timeout(LONG).inputs((one, two)).after(before)),
                    4 => flow.add(with_lock(f.inputs((one, two)), &lock).after((before, two))),
                    // The last inputs count.
                    _ => flow.add(f.inputs(one).inputs((two, before)).after(before).inputs((one, two))),
                };
                let run = flow.execute().await.unwrap();
                assert_eq!(run[f], "1 two");
                assert_eq!(log.events(), ["before", "f"]);
            }
        }

        async fn an_optional_input_of_a_task_that_succeeded<R>() {
            let mut flow = Flow::<R>::new();
            let (number, unit) = (flow.add(|| 7), flow.add(async || ()));
            let some = flow.add((|n: Option<&i32>, u: Option<&()>| (n.copied(), u.is_some()))
                .inputs((number.optional(), unit.optional())));
            let clean = flow.add((async |n: Option<&i32>| n.copied()).inputs(number.optional()).always());
            let run = flow.execute().await.unwrap();
            assert_eq!((run[some], run[clean]), ((Some(7), true), Some(7)));
        }

        async fn an_optional_input_of_a_task_that_did_not<R>() {
            let mut flow = Flow::<R>::new();
            let failed = flow.add(|| Err::<i32, _>("no"));
            let panicked = flow.add(async || -> i32 { panic!("no") });
            let skipped = flow.add((|| 1).after(failed));
            let unit = flow.add((|| ()).after(failed));
            type Four<'a> = (Option<&'a i32>, Option<&'a i32>, Option<&'a i32>, Option<&'a ()>);
            let all = (failed.optional(), panicked.optional(), skipped.optional(), unit.optional());
            let clean = flow.add(
                (|a: Option<&i32>, b: Option<&i32>, c: Option<&i32>, d: Option<&()>| {
                    let all: Four = (a, b, c, d);
                    all == (None, None, None, None)
                })
                .inputs(all)
                .always(),
            );
            for execute in [flow.execute(), flow.execute().keep_going()] {
                assert!(execute.await.unwrap_err().outputs().unwrap()[clean]);
            }
        }

        // A task that takes a value owns it: it is dropped there, and not in the run.
        async fn a_moved_value_is_its_takers<R>() {
            let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
            let live = guards.clone();
            let make = move || Ok::<Guard, String>(live.guard());
            let (one, two) = (flow.add(make.clone()), flow.add(move || ready(make())));
            let seen = guards.clone();
            let drops = move |one: Guard, two: Guard| {
                assert!(seen.live() >= 2);
                drop((one, two));
            };
            let dropped = flow.add(drops.inputs((one.moved(), two.moved())));
            let seen = guards.clone();
            let live = flow.add((move || seen.live()).after(dropped));
            let run = flow.execute().await.unwrap();
            assert_eq!(run[live], 0);
            assert!(run.get(one).is_none() && run.get(two).is_none());
            // Each execution has values of its own.
            let (first, second) = futures::join!(flow.execute(), flow.execute());
            drop((first.unwrap(), second.unwrap()));
            assert_eq!(guards.live(), 0);
        }

        async fn moved_on_and_on<R>() {
            let mut flow = Flow::<R>::new();
            let start = flow.add(user);
            let mut last = start;
            for n in 0..20 {
                last = match n % 2 {
                    0 => flow.add(moved.inputs(last.moved())),
                    _ => flow.add(moved_plain.inputs((last.moved(),))),
                };
            }
            let mut run = flow.execute().await.unwrap();
            assert_eq!(run[last].name, "Ada");
            assert_eq!(run.take(last).unwrap().name, "Ada");
            assert!(run.get(start).is_none());
        }

        // A value whose taker was skipped is dropped with the run.
        async fn a_moved_value_that_nobody_takes<R>() {
            let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
            let live = guards.clone();
            let made = flow.add(move || Ok::<_, String>(live.guard()));
            let failed = flow.add((|| Err::<(), _>("no")).after(made));
            let taker = flow.add((|_: Guard| ()).inputs(made.moved()).after(failed));
            let error = flow.execute().keep_going().await.unwrap_err();
            assert_eq!(error.report().unwrap().status(taker), skipped(failed));
            assert!(error.outputs().unwrap().get(made).is_none());
            assert_eq!(guards.live(), 0);
        }
    }
}

/// What functions return.
mod outcomes {
    use super::*;

    type Answer<T> = Result<T, Box<dyn Error + Send + Sync>>;

    on_every_backend! {
        async fn results_of_all_kinds<R>() {
            let mut flow = Flow::<R>::new();
            let boxed = flow.add(|| -> Answer<Big> { Ok(Big(vec![1])) });
            let io = flow.add(async || -> io::Result<Big> { Ok(Big(vec![2])) });
            let any = flow.add(async || anyhow::Ok(Big(vec![3])));
            let string = flow.add(|| Ok::<_, String>(Big(vec![4])));
            let text = flow.add(|| Ok::<_, &'static str>(Big(vec![5])));
            let custom = flow.add(async || Ok::<_, std::fmt::Error>(Big(vec![6])));
            let inner = flow.add(|| Ok::<Result<u8, Big>, String>(Err(Big(vec![7]))));
            let question = flow.add(|| -> anyhow::Result<u8> { Ok("8".parse()?) });
            let list = (|all: Vec<&Big>| all.iter().map(|big| big.0[0]).collect::<Vec<u8>>())
                .inputs(vec![boxed, io, any, string, text, custom]);
            let list = flow.add(list);
            let run = flow.execute().await.unwrap();
            assert_eq!(run[list], [1, 2, 3, 4, 5, 6]);
            assert_eq!((&run[inner], run[question]), (&Err(Big(vec![7])), 8));
        }

        async fn every_output_is_dropped_once<R>() {
            let (mut flow, guards) = (Flow::<R>::new(), Guards::new());
            let mut tasks = Vec::new();
            for n in 0..50 {
                let live = guards.clone();
                let make = move || Ok::<_, String>(live.guard());
                tasks.push(match n % 2 {
                    0 => flow.add(make),
                    _ => flow.add(move || ready(make())),
                });
            }
            let failed = flow.add((|| Err::<(), _>("no")).after(&tasks));
            let error = flow.execute().await.unwrap_err();
            assert_eq!(guards.live(), 50);
            let mut outputs = error.into_outputs().unwrap();
            assert!(outputs.get(failed).is_none());
            let taken: Vec<Guard> = tasks[..20].iter().map(|task| outputs.take(*task).unwrap()).collect();
            assert!(outputs.get(tasks[0]).is_none() && outputs.get(tasks[20]).is_some());
            drop(outputs);
            assert_eq!(guards.live(), 20);
            drop(taken);
            assert_eq!(guards.live(), 0);
        }
    }
}

/// Whatever the graph, every task sees what a calculation on one thread gives.
mod random {
    use super::*;

    /// A value of its own: neither `Clone` nor an `Output`.
    struct Number(usize, #[allow(dead_code)] Guard);

    /// How a task uses the ones before it.
    enum Uses {
        Nothing,
        One(usize),
        List(Vec<usize>),
        Moved(usize),
        Several(usize, Vec<usize>, usize),
    }

    impl Uses {
        fn all(&self) -> Vec<usize> {
            match self {
                Uses::Nothing => vec![],
                Uses::One(one) | Uses::Moved(one) => vec![*one],
                Uses::List(list) => list.clone(),
                Uses::Several(one, list, option) => {
                    [vec![*one], list.clone(), vec![*option]].concat()
                }
            }
        }
    }

    fn mix(task: usize, inputs: impl Iterator<Item = usize>) -> usize {
        inputs.fold(task, |sum, input| {
            sum.wrapping_mul(31).wrapping_add(input ^ 0x9e37)
        })
    }

    /// Adds task `n`; plain or async.
    fn add<R: asyncflow::Runtime>(
        flow: &mut Flow<R>,
        n: usize,
        uses: &Uses,
        tasks: &[Task<Number>],
        guards: &Guards,
        plain: bool,
    ) -> Task<Number> {
        let guards = guards.clone();
        let make = move |inputs: Vec<usize>| {
            Ok::<_, String>(Number(mix(n, inputs.into_iter()), guards.guard()))
        };
        let list = |list: &[usize]| list.iter().map(|n| tasks[*n]).collect::<Vec<_>>();
        // An async closure that captures something is no `Fn`: a closure reads, and its future waits.
        macro_rules! add {
            ([$($arg:ident: $type:ty),*] $read:expr, $inputs:expr) => {
                match plain {
                    true => flow.add((move |$($arg: $type),*| make($read)).inputs($inputs)),
                    false => flow.add((move |$($arg: $type),*| {
                        let (make, read) = (make.clone(), $read);
                        async move {
                            turns(n % 3).await;
                            make(read)
                        }
                    }).inputs($inputs)),
                }
            };
        }
        match uses {
            Uses::Nothing => add!([] vec![], ()),
            Uses::One(one) => add!([one: &Number] vec![one.0], tasks[*one]),
            Uses::Moved(one) => add!([one: Number] vec![one.0], tasks[*one].moved()),
            Uses::List(some) => add!(
                [some: Vec<&Number>] some.iter().map(|one| one.0).collect(),
                list(some)
            ),
            Uses::Several(one, some, option) => add!(
                [one: &Number, some: Vec<&Number>, option: Option<&Number>] {
                    let some = some.iter().map(|one| one.0);
                    [one.0]
                        .into_iter()
                        .chain(some)
                        .chain(option.map(|one| one.0))
                        .collect()
                },
                (tasks[*one], list(some), tasks[*option].optional())
            ),
        }
    }

    on_every_backend! {
        async fn every_task_sees_the_right_values<R>() {
            for seed in 0..40 {
                let (mut numbers, guards) = (Numbers::new(seed), Guards::new());
                let mut flow = Flow::<R>::new();
                let len = 2 + numbers.below(40);
                let (mut uses, mut tasks) = (Vec::new(), Vec::<Task<Number>>::new());
                // Whether a task takes it by value, or borrows it.
                let mut taken = vec![false; len];
                let mut borrowed = vec![false; len];
                for n in 0..len {
                    let free: Vec<usize> = (0..n).filter(|m| !taken[*m]).collect();
                    let one = |numbers: &mut Numbers| free[numbers.below(free.len())];
                    let unused: Vec<usize> = free.iter().copied().filter(|m| !borrowed[*m]).collect();
                    let how = match numbers.below(5) {
                        _ if free.is_empty() => Uses::Nothing,
                        0 => Uses::One(one(&mut numbers)),
                        1 => Uses::List((0..numbers.below(5)).map(|_| one(&mut numbers)).collect()),
                        2 if !unused.is_empty() => Uses::Moved(unused[numbers.below(unused.len())]),
                        3 => Uses::Nothing,
                        _ => {
                            let list = (0..numbers.below(3)).map(|_| one(&mut numbers)).collect();
                            Uses::Several(one(&mut numbers), list, one(&mut numbers))
                        }
                    };
                    for used in how.all() {
                        match how {
                            Uses::Moved(_) => taken[used] = true,
                            _ => borrowed[used] = true,
                        }
                    }
                    tasks.push(add(&mut flow, n, &how, &tasks, &guards, numbers.one_in(2)));
                    uses.push(how);
                }
                for round in 0..4 {
                    // Some are given, and only some are asked for.
                    let given: Vec<bool> = (0..len).map(|_| round % 2 == 1 && numbers.one_in(4)).collect();
                    let targets: Vec<usize> = match round / 2 {
                        0 => (0..len).collect(),
                        _ => (0..len).filter(|n| !taken[*n] && numbers.one_in(4)).collect(),
                    };
                    let mut needed = vec![false; len];
                    let mut stack = targets.clone();
                    while let Some(n) = stack.pop() {
                        if !std::mem::replace(&mut needed[n], true) && !given[n] {
                            stack.extend(uses[n].all());
                        }
                    }
                    let mut values = vec![0; len];
                    for n in 0..len {
                        values[n] = match given[n] {
                            true => n + 1_000_000,
                            false => mix(n, uses[n].all().into_iter().map(|used| values[used])),
                        };
                    }
                    let mut execute = flow.execute();
                    for n in (0..len).filter(|n| given[*n]) {
                        execute = execute.given(tasks[n], Number(n + 1_000_000, guards.guard()));
                    }
                    if round / 2 == 1 {
                        execute = execute.only(targets.iter().map(|n| tasks[*n]).collect::<Vec<_>>());
                    }
                    let run = execute.await.unwrap();
                    for n in 0..len {
                        let status = match (needed[n], given[n]) {
                            (false, _) => TaskStatus::NotSelected,
                            (_, true) => TaskStatus::Given,
                            _ => TaskStatus::Succeeded,
                        };
                        let case = format!("seed {seed}, round {round}, task {n}");
                        assert_eq!(run.report().status(tasks[n]), status, "{case}");
                        let kept = targets.contains(&n) && !taken[n];
                        let value = run.get(tasks[n]).map(|number| number.0);
                        assert_eq!(value, kept.then_some(values[n]), "{case}");
                    }
                    let kept = targets.iter().filter(|n| !taken[**n]).count();
                    assert_eq!(guards.live(), kept, "seed {seed}, round {round}");
                    drop(run);
                    assert_eq!(guards.live(), 0, "seed {seed}, round {round}");
                }
            }
        }
    }
}
