//! Values of a flow: what its tasks share, lent and never copied. And what is found by name.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use asyncflow::prelude::*;
use asyncflow::structure::NodeKind;
use asyncflow::{Observer, TaskRef};
use asyncflow_tests::{Guard, Guards, on_every_backend, watched};

/// Neither `Clone` nor an `Output`.
struct Client {
    name: &'static str,
    _guard: Guard,
}

impl Client {
    fn new(name: &'static str, guards: &Guards) -> Self {
        let _guard = guards.guard();
        Self { name, _guard }
    }
}

fn address(client: &Client) -> usize {
    std::ptr::from_ref(client) as usize
}

on_every_backend! {
    async fn one_for_all_tasks_and_runs<R>() {
        let guards = Guards::new();
        let mut flow = Flow::<R>::new();
        let client = flow.value(Client::new("db", &guards));
        let plain = flow.add(address.inputs(client));
        let awaits = flow.add((async |client: &Client| address(client)).inputs(client));
        let many = flow.add((|clients: Vec<&Client>| clients.len()).inputs([client; 3]));
        let optional = flow.add((|client: Option<&Client>| client.is_some()).inputs(client.optional()));
        let mut addresses = Vec::new();
        for limit in [1, 4] {
            let mut run = flow.execute().max_concurrency(limit).timed().await.unwrap();
            addresses.extend([run[plain], run[awaits], address(&run[client])]);
            assert_eq!((run[many], run[optional]), (3, true));
            let report = run.report().task(client);
            assert_eq!((report.name(), report.status()), ("Client", TaskStatus::Succeeded));
            assert_eq!((report.attempts(), report.ran()), (0, None));
            assert!(run.take(client).is_none(), "the flow keeps it");
            assert_eq!(run[client].name, "db");
        }
        addresses.dedup();
        assert_eq!((addresses.len(), guards.live()), (1, 1));
        assert_eq!(flow.structure().task(client).kind(), NodeKind::Value);
        let run = flow.execute().await.unwrap();
        drop(flow);
        assert_eq!((guards.live(), run[client].name), (1, "db"), "the run has a share in it");
        drop(run);
        assert_eq!(guards.live(), 0);
    }

    async fn given_in_place_of_it<R>() {
        let guards = Guards::new();
        let mut flow = Flow::<R>::new();
        let client = flow.value(Client::new("db", &guards));
        let name = flow.add((|client: &Client| client.name).inputs(client));
        let other = flow.add(|| 1);
        for only in [false, true] {
            let execute = || match only {
                true => flow.execute().only(name),
                false => flow.execute(),
            };
            let mut run = execute().given(client, Client::new("mock", &guards)).await.unwrap();
            assert_eq!(run[name], "mock");
            assert_eq!(run.report().status(client), TaskStatus::Given);
            assert_eq!(run.get(other).is_none(), only);
            // No target, so it has left the run with its last use.
            assert_eq!(run.take(client).map(|client| client.name), (!only).then_some("mock"));
            drop(run);
            assert_eq!((guards.live(), execute().await.unwrap()[name]), (1, "db"));
        }
        let run = flow.execute().only(client).await.unwrap();
        assert_eq!(run[client].name, "db");
    }

    async fn cannot_be_moved<R>() {
        let mut flow = Flow::<R>::new();
        let list = flow.value(vec![1, 2]);
        flow.add((|list: Vec<i32>| list.len()).inputs(list.moved()).named("count"));
        let error = flow.execute().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "task `count` takes the value `Vec` with `.moved()`, but the flow keeps it for all runs: \
             let `count` borrow it"
        );
        assert!(error.report().is_none());
    }

    async fn of_any_type<R>() {
        let mut flow = Flow::<R>::new();
        let (unit, flag, text) = (flow.value(()), flow.value(false), flow.value("text"));
        let shared = flow.value(Arc::new(7));
        let own = flow.add((|seven: &Arc<i32>| Arc::clone(seven)).inputs(shared));
        let skipped = flow.add((|| ()).run_if(flag));
        let all = flow.add((|_: &(), text: &&str| text.len()).inputs((unit, text)));
        let run = flow.execute().await.unwrap();
        assert_eq!((run[all], run.get(skipped), &*run[own]), (4, None, &7));
        assert!(Arc::ptr_eq(&run[own], &run[shared]));
        let names: Vec<_> = run.report().tasks().take(4).map(|task| task.name().to_owned()).collect();
        assert_eq!(names, ["value", "bool", "value#2", "Arc"]);
        let run = flow.execute().given(unit, ()).given(flag, true).await.unwrap();
        assert_eq!((run[all], run.get(skipped)), (4, Some(&())));
    }

    // It has nothing to start, so observers hear only of its end.
    async fn observers_are_told_of_its_end<R>() {
        #[derive(Default)]
        struct Told(Mutex<Vec<String>>);
        impl Observer for Told {
            fn task_ready(&self, task: TaskRef<'_>) {
                self.0.lock().unwrap().push(format!("{} ready", task.name()));
            }
            fn task_ended(&self, task: TaskRef<'_>, status: TaskStatus) {
                self.0.lock().unwrap().push(format!("{} {status}", task.name()));
            }
        }
        let mut flow = Flow::<R>::new();
        let one = flow.value(1_u8);
        flow.add((|one: &u8| *one).inputs(one).named("copy"));
        let told = Arc::new(Told::default());
        flow.execute().observe(Arc::clone(&told)).await.unwrap();
        assert_eq!(*told.0.lock().unwrap(), ["u8 succeeded", "copy ready", "copy succeeded"]);
    }

    async fn lists_of_optional_inputs<R>() {
        let mut flow = Flow::<R>::new();
        let tasks: Vec<Task<usize>> = (0..4)
            .map(|n| flow.add(move || if n % 2 == 0 { Ok(n) } else { Err("odd") }))
            .collect();
        let join = |found: Vec<Option<&usize>>| found.iter().map(|n| n.copied()).collect::<Vec<_>>();
        let optional: Vec<_> = tasks.iter().map(|task| task.optional()).collect();
        let list = flow.add(join.inputs(optional));
        let array = flow.add((async |found: Vec<Option<&usize>>| found.len()).inputs([tasks[1].optional(), tasks[0].optional()]));
        let empty = flow.add(join.inputs(Vec::<asyncflow::Optional<usize>>::new()));
        let error = flow.execute().keep_going().await.unwrap_err();
        let outputs = error.outputs().unwrap();
        assert_eq!(outputs[list], [Some(0), None, Some(2), None]);
        assert_eq!((outputs[array], outputs[empty].len()), (2, 0));
        // Also if the outputs leave the run early.
        let error = flow.execute().keep_going().only(list).await.unwrap_err();
        assert_eq!(error.outputs().unwrap()[list], [Some(0), None, Some(2), None]);
    }

    async fn tasks_are_found_by_name<R>() {
        let mut flow = Flow::<R>::new();
        assert_eq!(flow.find("a"), None);
        let a = flow.add((|| 1).named("a"));
        let again = flow.add((|| 2).named("a"));
        let input = flow.input::<u8>("input");
        flow.add(parallel![|| 3, || 4]);
        assert_eq!(flow.find("a"), Some(a.id()));
        assert_eq!(flow.find("a#2"), Some(again.id()));
        assert_eq!(flow.find("input"), Some(input.id()));
        assert_eq!((flow.find(""), flow.find("A")), (None, None));
        let b = flow.add((|| 5).named("b"));
        assert_eq!(flow.find("b"), Some(b.id()));
        // Also in a flow that cannot be executed.
        let none = Semaphore::new(0);
        let wrong = flow.add((|| 6).with_lock(&none).named("wrong"));
        assert_eq!(flow.find("wrong"), Some(wrong.id()));
    }

    async fn closures_are_named_by_their_place<R>() {
        async fn own_name() {}
        let mut flow = Flow::<R>::new();
        let line = line!();
        flow.add(|| 1);
        flow.add((async || 2).after(()));
        flow.add(series![|| 3]);
        flow.add(with_lock(|| 4, Lock::new()));
        flow.add(once(|| 5));
        flow.add(Parallel::new().with(|| 6).with((|| 7).after(())));
        flow.add(asyncflow::Member::new(|| 8));
        flow.add(own_name);
        flow.add((0..1).map(|n| async move || { let _ = n; }).collect::<Series>());
        let structure = flow.structure();
        let names: Vec<_> = structure.nodes().filter_map(|node| node.name()).collect();
        let place = |after: u32| format!("closure at values.rs:{}", line + after);
        let expected = [
            place(1), place(2), place(3), place(4), place(5), place(6), place(6) + "#2", place(7),
            "own_name".into(), "closure in case".into(),
        ];
        assert_eq!(names, expected);
        let error = flow.execute().given(flow_input(), ()).await.unwrap_err();
        assert!(error.report().is_none());
        flow.execute().await.unwrap();
    }
}

fn flow_input() -> Task<()> {
    Flow::<asyncflow::SmolRuntime>::new().input("foreign")
}

/// Flows whose values are flows, at a depth that would overflow the stack if they were dropped one
/// inside the other.
#[test]
fn values_nested_deeply_are_dropped() {
    watched(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        struct Level(
            #[allow(dead_code)] Option<asyncflow::SmolFlow>,
            Arc<AtomicUsize>,
        );
        impl Drop for Level {
            fn drop(&mut self) {
                self.1.fetch_add(1, Ordering::Relaxed);
            }
        }
        let mut level = Level(None, Arc::clone(&dropped));
        for _ in 0..100_000 {
            let mut flow = asyncflow::SmolFlow::new();
            flow.value(level);
            level = Level(Some(flow), Arc::clone(&dropped));
        }
        drop(level);
        assert_eq!(dropped.load(Ordering::Relaxed), 100_001);
    });
}
