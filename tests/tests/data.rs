//! Typed data between tasks.

use std::io;
use std::sync::Arc;

use asyncflow::prelude::*;
use asyncflow_tests::on_every_backend;

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

    async fn by_reference_and_by_value_through_ten<R>() {
        let mut flow = Flow::<R>::new();
        let mut last = flow.add(|| vec![0_u8; 1 << 20]);
        let first = flow.add((|buffer: &Vec<u8>| buffer.as_ptr().addr()).inputs(last).named("where"));
        // It is borrowed once, and so cannot be moved: pass on from another.
        let start = flow.add(|| vec![0_u8; 1 << 20]);
        let mut moved = flow.add((|buffer: Vec<u8>| (buffer.as_ptr().addr(), buffer)).inputs(start.moved()));
        for _ in 0..10 {
            last = flow.add((|_: &Vec<u8>| Vec::new()).inputs(last));
            moved = flow.add(
                (|(place, mut buffer): (usize, Vec<u8>)| {
                    buffer[0] += 1;
                    (place, buffer)
                })
                .inputs(moved.moved()),
            );
        }
        let run = flow.execute().await.unwrap();
        assert_ne!(run[first], 0);
        let (place, buffer) = &run[moved];
        assert_eq!(*place, buffer.as_ptr().addr(), "the buffer was copied");
        assert_eq!(buffer[0], 10);
        assert!(run.get(start).is_none(), "it was taken by value");
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
        // An optional input still waits for success, unless the task always runs.
        assert!(matches!(
            error.report().unwrap().status(after_failure),
            TaskStatus::Skipped { because } if because == failed.into()
        ));
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

    async fn twelve_inputs<R>() {
        let mut flow = Flow::<R>::new();
        let t: Vec<Task<u32>> = (0..12).map(|n| flow.add(move || n)).collect();
        let two = flow.add((|a: &u32, b: &u32| a + b).inputs((t[0], t[1])));
        let twelve = flow.add(
            (async |a: &u32, b: &u32, c: &u32, d: &u32, e: &u32, f: &u32, g: &u32, h: &u32, i: &u32, j: &u32, k: &u32, l: &u32| {
                a + b + c + d + e + f + g + h + i + j + k + l
            })
            .inputs((t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10], t[11])),
        );
        let run = flow.execute().await.unwrap();
        assert_eq!((run[two], run[twelve]), (1, 66));
    }

    async fn units<R>() {
        let mut flow = Flow::<R>::new();
        let unit = flow.add(|| ());
        let next = flow.add((|(): &()| 1).inputs(unit));
        let taken = flow.add((async |()| 2).inputs(unit.moved()).named("taken"));
        // Even of nothing there is only one.
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

    async fn errors_of_every_kind<R>() {
        let mut flow = Flow::<R>::new();
        flow.add((|| -> io::Result<u8> { Err(io::Error::other("io")) }).named("a"));
        flow.add((async || -> Result<Big, String> { Err("string".into()) }).named("b"));
        flow.add((|| -> Result<(), &'static str> { Err("str") }).named("c"));
        flow.add((|| -> anyhow::Result<Arc<u8>> { Err(anyhow::anyhow!("anyhow")) }).named("d"));
        let error = flow.execute().keep_going().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "task `a` failed: io; task `b` failed: string; task `c` failed: str; task `d` failed: anyhow"
        );
        assert!(error.failures().next().unwrap().error().is::<io::Error>());
    }

    async fn what_did_succeed<R>() {
        let mut flow = Flow::<R>::new();
        let good = flow.add(|| 1);
        let bad = flow.add((|_: &i32| -> Result<u8, &'static str> { Err("bad") }).inputs(good));
        let error = flow.execute().await.unwrap_err();
        assert_eq!(error.outputs().unwrap().get(good), Some(&1));
        assert_eq!(error.outputs().unwrap().get(bad), None);
        let mut outputs = error.into_outputs().unwrap();
        assert_eq!((outputs.take(good), outputs.take(good)), (Some(1), None));
    }

    async fn what_a_run_says_of_outputs_that_are_gone<R>() {
        let mut flow = Flow::<R>::new();
        let big = flow.add((|| Ok::<_, String>(Big(vec![]))).named("big"));
        let taker = flow.add((|big: Big| big.0).inputs(big.moved()).named("taker"));
        let mut run = flow.execute().await.unwrap();
        run.take(taker);
        let said = |task: &dyn Fn(&Run)| {
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| task(&run)));
            *panic.unwrap_err().downcast::<String>().unwrap()
        };
        let moved = said(&|run| drop(format!("{:?}", run[big])));
        assert!(moved.contains("`big`") && moved.contains("`taker`"), "{moved}");
        let taken = said(&|run| drop(format!("{:?}", run[taker])));
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
