//! `#[flow]`: flows as types. The impl blocks below name no backend; each test runs them on all.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use asyncflow::prelude::*;
use asyncflow_tests::{Guard, Guards, LONG, Log, at_once, on_every_backend, skipped, yield_now};
use futures::future::join_all;

static AUDIT_LOG: Lock = Lock::named("audit log");

struct User(String);

/// No `Output` of its own: the attribute needs none.
struct Post(String);

/// A page of a user, from the answers of a slow service.
struct Page {
    host: &'static str,
    log: Log,
}

#[flow]
impl Page {
    // Declared before what it waits for.
    #[task(upstream = html, lock = AUDIT_LOG)]
    fn audit(&self) {
        self.log.push("audited");
    }

    #[task]
    async fn user(&self, #[input] id: &u64) -> Result<User, std::io::Error> {
        yield_now().await;
        Ok(User(format!("{id}@{}", self.host)))
    }

    #[task(timeout = LONG)]
    async fn posts(&self, user: &User, id: &u64) -> Vec<Post> {
        yield_now().await;
        vec![Post(format!("{} posts {id}", user.0))]
    }

    #[task]
    fn html(user: &User, posts: &Vec<Post>) -> String {
        let posts: Vec<_> = posts.iter().map(|post| post.0.as_str()).collect();
        format!("{}: {}", user.0, posts.join(", "))
    }

    /// No task.
    fn new(log: &Log) -> Self {
        let (host, log) = ("here", log.clone());
        Self { host, log }
    }
}

on_every_backend! {
    async fn handles_are_fields<R>() {
        let log = Log::new();
        let page: PageFlow<R> = PageFlow::new(Page::new(&log));
        let run = page.execute().given(page.id, 7).await.unwrap();
        assert_eq!(run[page.html], "7@here: 7@here posts 7");
        assert_eq!((&*run[page.user].0, run[page.posts].len(), run[page.id]), ("7@here", 1, 7));
        assert_eq!(run[page.audit], ());
        assert_eq!(log.events(), ["audited"]);
        assert_eq!(run.report().task(page.audit).name(), "audit");
    }

    async fn concurrently_with_itself<R>() {
        let log = Log::new();
        let page = PageFlow::<R>::on(R::default(), Page::new(&log));
        let runs = (0..50).map(|id| {
            let execute = page.execute().given(page.id, id);
            async move { (id, execute.await.unwrap()) }
        });
        for (id, run) in join_all(runs).await {
            assert_eq!(run[page.html], format!("{id}@here: {id}@here posts {id}"));
        }
        assert_eq!(log.events(), vec!["audited"; 50]);
    }

    async fn the_order_of_declaration_where_the_graph_allows_it<R>() {
        let page = PageFlow::<R>::new(Page::new(&Log::new()));
        let structure = page.structure();
        let tasks = [page.user.id(), page.posts.id(), page.html.id(), page.audit.id()];
        let numbers: Vec<_> = tasks.into_iter().map(|task| structure.task(task).number()).collect();
        assert!(numbers.is_sorted(), "{numbers:?}");
        assert_eq!(structure.task(page.audit).permits()[0].to_string(), "lock audit log");
        assert_eq!(structure.task(page.posts).timeout(), Some(LONG));
    }

    async fn more_tasks_can_be_added<R>() {
        let mut page = PageFlow::<R>::new(Page::new(&Log::new()));
        let html = page.html;
        let length = page.add((|html: &String| html.len()).inputs(html));
        let run = page.execute().given(page.id, 1).await.unwrap();
        assert_eq!(run[length], run[html].len());
    }

    async fn a_task_of_another_flow<R>() {
        let numbers = NumbersFlow::<R>::new();
        let sum = numbers.sum;
        let mut flow = Flow::<R>::new();
        let inner = flow.add(Arc::new(Flow::from(numbers)));
        let outer = flow.add((move |inner: &Run| inner[sum] + 1).inputs(inner));
        assert_eq!(flow.execute().await.unwrap()[outer], 61);
    }
}

#[test]
fn methods_are_ordinary_functions() {
    let page = Page::new(&Log::new());
    let user = smol::block_on(page.user(&3)).unwrap();
    assert_eq!(user.0, "3@here");
    assert_eq!(Page::html(&user, &vec![]), "3@here: ");
}

/// Its value is counted, and it cannot be cloned.
struct Shared {
    calls: AtomicUsize,
    _guard: Guard,
}

#[flow]
impl Shared {
    #[task]
    async fn first(&self) -> usize {
        self.calls.fetch_add(1, Ordering::SeqCst);
        std::ptr::from_ref(self).addr()
    }

    #[task(upstream = first, always)]
    fn second(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

on_every_backend! {
    async fn the_state_is_lent_and_never_copied<R>() {
        let guards = Guards::new();
        let state = Shared { calls: AtomicUsize::new(0), _guard: guards.guard() };
        let shared = SharedFlow::<R>::new(state);
        let runs = join_all((0..3).map(|_| shared.execute())).await;
        let first = runs[0].as_ref().unwrap()[shared.first];
        for run in runs {
            let run = run.unwrap();
            assert_eq!((run[shared.first], run[shared.second]), (first, first));
        }
        assert_eq!(guards.live(), 1);
        drop(shared);
        assert_eq!(guards.live(), 0);
    }

    async fn clean_up_borrows_the_state_of_a_run_that_never_started<R>() {
        let _guard = Guards::new().guard();
        let shared = SharedFlow::<R>::new(Shared { calls: AtomicUsize::new(0), _guard });
        let stop = StopHandle::new();
        stop.stop();
        let error = shared.execute().stop_with(&stop).await.unwrap_err();
        let report = error.report().unwrap();
        assert_eq!(report.status(shared.first), TaskStatus::Cancelled);
        assert_eq!(report.status(shared.second), TaskStatus::Succeeded);
    }
}

/// No state: associated functions only.
struct Numbers;

#[flow]
impl Numbers {
    #[task]
    fn sum(#[from(ten, twenty)] both: Vec<&u32>, #[from(thirty)] rest: &u32) -> u32 {
        both.into_iter().sum::<u32>() + rest
    }

    #[task]
    fn ten() -> u32 {
        10
    }

    #[task]
    async fn twenty() -> Result<u32, String> {
        Ok(20)
    }

    #[task]
    fn thirty(ten: &u32, twenty: &u32) -> u32 {
        ten + twenty
    }
}

on_every_backend! {
    async fn without_state<R>() {
        let (new, on, default) = (NumbersFlow::<R>::new(), NumbersFlow::on(R::default()), NumbersFlow::<R>::default());
        for numbers in [new, on, default] {
            assert_eq!(numbers.len(), 4, "there is no value");
            assert_eq!(numbers.execute().await.unwrap()[numbers.sum], 60);
        }
    }
}

/// Every form of parameter.
struct Parameters {
    factor: u32,
}

#[flow]
impl Parameters {
    #[task]
    fn text() -> String {
        "text".into()
    }

    #[task]
    fn broken() -> Result<u8, &'static str> {
        Err("broken")
    }

    #[task]
    fn taken(
        #[moved] mut text: String,
        #[input]
        #[moved]
        suffix: String,
    ) -> String {
        text.push_str(&suffix);
        text
    }

    #[task]
    fn numbers(#[input] count: &u32) -> Vec<u32> {
        (0..*count).collect()
    }

    #[task]
    async fn scaled(&self, #[each(numbers)] number: &u32, #[context] cx: &TaskContext) -> u32 {
        yield_now().await;
        assert_eq!(cx.attempt(), 1);
        number * self.factor
    }

    #[task]
    fn labelled(
        taken: &String,
        #[each(scaled)]
        #[moved]
        number: u32,
    ) -> Result<String, String> {
        Ok(format!("{taken} {number}"))
    }

    #[task(always)]
    async fn end(&self, broken: Option<&u8>, #[from(taken)] text: Option<&String>) -> (bool, bool) {
        (broken.is_some(), text.is_some())
    }

    #[task]
    fn present(#[from(broken, broken)] all: Vec<Option<&u8>>) -> usize {
        all.len() - all.into_iter().flatten().count()
    }
}

on_every_backend! {
    async fn every_form_of_parameter<R>() {
        let flow = ParametersFlow::<R>::new(Parameters { factor: 10 });
        let execute = flow.execute().given(flow.suffix, "s".into()).given(flow.count, 3);
        let error = execute.keep_going().await.unwrap_err();
        let outputs = error.outputs().unwrap();
        assert_eq!(outputs[flow.labelled], ["texts 0", "texts 10", "texts 20"]);
        assert_eq!(outputs[flow.end], (false, true));
        assert_eq!(outputs[flow.present], 2);
        assert_eq!(error.failures().count(), 1);
    }
}

/// Every argument.
struct Arguments {
    disk: Lock,
    limit: Duration,
}

impl Arguments {
    const ATTEMPTS: usize = 2;
}

#[flow]
impl Arguments {
    #[task(
        lock = [self.disk, &AUDIT_LOG],
        timeout = self.limit,
        name = format!("{}-th", Self::ATTEMPTS),
        priority = 3,
        retry = at_once(Self::ATTEMPTS),
        retry_when = |failure| failure.status() == TaskStatus::Panicked,
        fallback = |failure| failure.to_string().len(),
    )]
    async fn recovered() -> Result<usize, &'static str> {
        Err("no luck")
    }

    #[task(allow_failure)]
    fn allowed() -> Result<(), &'static str> {
        Err("no luck")
    }

    #[task]
    fn yes(#[input] flag: &bool) -> bool {
        *flag
    }

    #[task(run_if = yes)]
    fn if_yes() {}

    #[task(run_unless = yes)]
    fn unless_yes() {}

    #[task(run_when = (recovered, |length| *length > 1000))]
    fn when_long() {}

    #[task(after_any = [if_yes, unless_yes])]
    async fn joined() {}
}

on_every_backend! {
    async fn every_argument<R>() {
        let (disk, limit) = (Lock::named("disk"), LONG);
        let flow = ArgumentsFlow::<R>::new(Arguments { disk, limit });
        let structure = flow.structure();
        let node = structure.task(flow.recovered);
        let mut permits: Vec<_> = node.permits().iter().map(ToString::to_string).collect();
        permits.sort();
        assert_eq!(permits, ["lock audit log", "lock disk"]);
        assert_eq!((node.name(), node.timeout(), node.priority()), (Some("2-th"), Some(LONG), 3));
        assert!(node.retries());

        let run = flow.execute().given(flow.flag, true).await.unwrap();
        let report = run.report();
        assert_eq!(report.status(flow.recovered), TaskStatus::Recovered);
        assert_eq!(report.task(flow.recovered).attempts(), 1, "no panic, no retry");
        assert_eq!(run[flow.recovered], "task `2-th` failed: no luck".len());
        assert_eq!(report.status(flow.allowed), TaskStatus::Failed);
        assert_eq!(report.status(flow.if_yes), TaskStatus::Succeeded);
        assert_eq!(report.status(flow.unless_yes), skipped(flow.yes));
        assert_eq!(report.status(flow.when_long), skipped(flow.recovered));
        assert_eq!(report.status(flow.joined), TaskStatus::Succeeded);
    }
}

/// A `Result` that is not spelled so.
type Parsed<T> = Result<T, std::num::ParseIntError>;

struct Returns;

#[flow]
impl Returns {
    #[task]
    fn nothing() {}

    #[task]
    fn path() -> std::result::Result<u8, std::fmt::Error> {
        Ok(1)
    }

    #[task]
    async fn of_a_crate() -> anyhow::Result<Vec<u8>> {
        Ok(vec![2])
    }

    #[task(output = u8)]
    fn alias() -> Parsed<u8> {
        "3".parse()
    }

    #[task]
    fn borrowed() -> &'static str {
        "4"
    }

    #[task]
    #[allow(clippy::manual_async_fn)]
    fn opaque(path: &u8) -> impl Future<Output = Result<u8, String>> + Send {
        async move { Ok(path + 4) }
    }

    #[task]
    fn boxed(path: &u8) -> Pin<Box<dyn Future<Output = u8> + Send>> {
        let path = *path;
        Box::pin(async move { path + 5 })
    }

    #[task(allow_failure)]
    fn never() -> ! {
        panic!("never")
    }

    #[task]
    fn r#type() -> Option<Self> {
        None
    }
}

on_every_backend! {
    async fn every_return_type<R>() {
        let flow = ReturnsFlow::<R>::new();
        let run = flow.execute().await.unwrap();
        assert_eq!((run[flow.nothing], run[flow.path], run[flow.alias]), ((), 1, 3));
        assert_eq!((&run[flow.of_a_crate][..], run[flow.borrowed]), (&[2][..], "4"));
        assert_eq!((run[flow.opaque], run[flow.boxed]), (5, 6));
        assert_eq!(run.report().status(flow.never), TaskStatus::Panicked);
        assert_eq!(run.report().task(flow.r#type).name(), "type");
        assert!(run[flow.r#type].is_none());
    }
}

/// Conditional tasks: two of one name, one that does not exist, and an input that only that one has.
struct Conditional;

#[flow]
impl Conditional {
    #[task]
    #[cfg(not(test))]
    fn which() -> &'static str {
        "another"
    }

    #[task]
    #[cfg(test)]
    fn which() -> &'static str {
        "this"
    }

    #[task]
    #[cfg(not(test))]
    fn missing(#[input] unused: &NoSuchType) {}

    #[task]
    fn last(which: &&'static str) -> usize {
        which.len()
    }
}

on_every_backend! {
    async fn conditional_tasks<R>() {
        let flow = ConditionalFlow::<R>::new();
        assert_eq!(flow.len(), 2);
        let run = flow.execute().await.unwrap();
        assert_eq!((run[flow.which], run[flow.last]), ("this", 4));
    }
}

trait Client: Send + Sync + 'static {
    type Answer: Clone + Send + Sync + 'static;

    fn get(&self, path: &str) -> impl Future<Output = Self::Answer> + Send;
}

struct Echo(&'static str);

impl Client for Echo {
    type Answer = String;

    async fn get(&self, path: &str) -> String {
        yield_now().await;
        format!("{}{path}", self.0)
    }
}

/// Generic, with a type parameter of the name that the runtime's would have.
struct Fetch<R, const N: usize> {
    client: R,
}

#[flow]
impl<R, const N: usize> Fetch<R, N>
where
    R: Client,
{
    #[task]
    async fn first(&self, #[input] path: &String) -> R::Answer {
        self.client.get(path).await
    }

    #[task]
    fn all(first: &R::Answer) -> Vec<R::Answer> {
        vec![first.clone(); N]
    }

    #[task(name = format!("{}", Self::count()))]
    fn count() -> usize {
        N
    }
}

on_every_backend! {
    async fn generic_impl_blocks<R>() {
        let flow = FetchFlow::<R, Echo, 2>::new(Fetch { client: Echo("here") });
        let run = flow.execute().given(flow.path, "/7".into()).await.unwrap();
        assert_eq!(run[flow.all], ["here/7", "here/7"]);
        assert_eq!(run[flow.count], 2);
        assert_eq!(run.report().task(flow.count).name(), "2");
    }
}

mod visible {
    use asyncflow::prelude::*;

    pub(super) struct Public;

    #[flow]
    impl Public {
        #[task]
        pub(super) fn open() -> u8 {
            super::Numbers::ten() as u8
        }

        #[task]
        fn hidden(#[input] name: &String) -> usize {
            name.len()
        }
    }

    pub(super) struct Private;

    #[flow(pub(super))]
    impl Private {
        #[task]
        fn hidden() {}
    }
}

on_every_backend! {
    async fn visibility_is_that_of_the_functions<R>() {
        let flow = visible::PublicFlow::<R>::new();
        let run = flow.execute().given(flow.name, "n".into()).await.unwrap();
        assert_eq!((run[flow.open], visible::Public::open()), (10, 10));
        assert_eq!(visible::PrivateFlow::<R>::new().execute().await.unwrap().report().tasks().count(), 1);
    }
}

/// In scope are only the names that are written here.
mod without_the_prelude {
    pub(crate) struct Plain(u8);

    #[asyncflow::flow]
    impl Plain {
        #[asyncflow::task]
        async fn first(&self) -> Option<u8> {
            Some(self.0)
        }

        #[asyncflow::task(upstream = first)]
        fn second(first: &Option<u8>) -> Option<u8> {
            *first
        }
    }

    #[test]
    fn works() {
        let flow = PlainFlow::<asyncflow::SmolRuntime>::new(Plain(3));
        let run = smol::block_on(flow.execute()).unwrap();
        assert_eq!(run[flow.second], Some(3));
        assert_eq!(format!("{flow:?}").split('(').next(), Some("PlainFlow"));
    }
}

#[test]
fn inside_of_a_function_and_of_the_macros_of_others() {
    macro_rules! numbers {
        ($of:ident: $($name:ident = $value:expr),*) => {
            struct $of;

            #[flow]
            impl $of {
                $(#[task] fn $name() -> usize { $value })*

                #[task]
                fn sum(#[from($($name),*)] all: Vec<&usize>) -> usize {
                    all.into_iter().sum()
                }
            }
        };
    }

    numbers!(Few: one = 1, two = 2);
    let flow = FewFlow::<asyncflow::SmolRuntime>::new();
    let run = smol::block_on(flow.execute()).unwrap();
    assert_eq!((run[flow.one], run[flow.sum]), (1, 3));
}
