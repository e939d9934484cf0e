//! The structure of a flow says what was declared.

use asyncflow::prelude::*;
use asyncflow::structure::{ConditionKind, GroupKind, Node, NodeKind};
use asyncflow_tests::{LONG, at_once, on_every_backend};

/// What is set of `always`, `is_each`, `retries`, `has_fallback`, `allows_failure`.
fn set(node: Node<'_>) -> [bool; 5] {
    [
        node.always(),
        node.is_each(),
        node.retries(),
        node.has_fallback(),
        node.allows_failure(),
    ]
}

on_every_backend! {
    async fn says_what_was_declared<R>() {
        let mut flow = Flow::<R>::new();
        assert!(flow.structure().is_empty());
        let (disk, rate) = (Lock::named("disk"), RateLimit::per(1, LONG).named("api"));
        let list = flow.value(vec![1, 2]);
        let yes = flow.add(async || true);
        let plain = (|_: &Vec<i32>| {}).inputs(list).run_if(yes).with_lock(&disk).with_lock(&rate);
        let plain = flow.add(plain.timeout(LONG).priority(7).named("plain"));
        let retried = flow.add((|| Err::<i32, _>("no")).retry(at_once(1)));
        let recovers = flow.add((|| Err::<i32, _>("no")).fallback(|_| 1));
        let allowed = flow.add((|| Err::<(), _>("no")).allow_failure());
        let always = flow.add((|| {}).after((plain, allowed)).always());
        let each_async = flow.add(each(async |_: &i32| {}).inputs(list));
        let each_plain = flow.add(each(|_: &i32| {}).inputs(list));
        let input = flow.input::<u8>("input");

        let structure = flow.structure();
        assert_eq!((structure.len(), structure.is_empty(), structure.nodes().len()), (10, false, 10));
        let node = structure.task(plain);
        assert_eq!((node.number(), node.id(), node.name()), (2, Some(plain.id()), Some("plain")));
        assert_eq!(node.inputs(), [0]);
        assert_eq!(node.conditions().collect::<Vec<_>>(), [(1, ConditionKind::If)]);
        assert_eq!((node.permits().len(), node.rates().len()), (1, 1));
        assert_eq!(node.permits()[0].to_string(), "lock disk");
        assert_eq!((node.timeout(), node.priority()), (Some(LONG), 7));
        assert_eq!(structure.node(2).downstreams().collect::<Vec<_>>(), [6]);
        let node = structure.task(always);
        assert_eq!(node.upstreams().collect::<Vec<_>>(), [2, 5]);
        assert_eq!((node.inputs().len(), node.conditions().len()), (0, 0));
        assert_eq!((node.permits().len(), node.rates().len()), (0, 0));
        assert_eq!((node.timeout(), node.priority()), (None, 0));

        assert_eq!(set(structure.task(plain)), [false; 5]);
        assert_eq!(set(structure.task(always)), [true, false, false, false, false]);
        assert_eq!(set(structure.task(each_plain)), [false, true, false, false, false]);
        assert_eq!(set(structure.task(retried)), [false, false, true, false, false]);
        assert_eq!(set(structure.task(recovers)), [false, false, false, true, false]);
        assert_eq!(set(structure.task(allowed)), [false, false, false, false, true]);
        assert_eq!(structure.task(list).kind(), NodeKind::Value);
        assert_eq!(structure.task(yes).kind(), NodeKind::Async);
        assert_eq!(structure.task(plain).kind(), NodeKind::Plain);
        assert_eq!(structure.task(each_async).kind(), NodeKind::Async);
        assert_eq!(structure.task(each_plain).kind(), NodeKind::Plain);
        assert_eq!(structure.task(input).kind(), NodeKind::Input);
    }

    async fn has_gates_and_groups<R>() {
        let mut flow = Flow::<R>::new();
        let (a, b) = (flow.add(|| {}), flow.add(|| {}));
        let first = flow.add((|| {}).after_any([a, b]));
        flow.add(series![parallel![|| 1, || 2], parallel![|| 3, || 4]]);

        let structure = flow.structure();
        let any = structure.task(first).upstreams().next().unwrap();
        let gate = structure.node(any);
        assert_eq!((gate.kind(), gate.kind().is_task()), (NodeKind::AnyOf, false));
        assert_eq!((gate.id(), gate.name(), gate.inputs()), (None, None, Vec::new()));
        assert_eq!(gate.upstreams().collect::<Vec<_>>(), [0, 1]);
        assert!(structure.nodes().any(|node| node.kind() == NodeKind::AllOf));
        let groups: Vec<_> = structure.groups().map(|group| group.kind).collect();
        assert_eq!(groups, [GroupKind::Series, GroupKind::Parallel, GroupKind::Parallel]);
        let tasks = |group: usize| {
            let group = structure.groups().nth(group).unwrap();
            (group.first..group.end).filter(|node| structure.node(*node).kind().is_task()).count()
        };
        assert_eq!((tasks(0), tasks(1), tasks(2)), (4, 2, 2));
    }
}
