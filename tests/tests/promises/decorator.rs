//! `#[task]`: every form of parameter, argument and return type, on every backend.

use std::pin::Pin;

use asyncflow::prelude::*;
use asyncflow_tests::{LONG, Log, at_once, on_every_backend, skipped, yield_now};

struct User(&'static str);

/// No `Output` of its own: the decorator needs none.
struct Post(&'static str);

#[derive(Output, Debug, PartialEq)]
struct Sum<T>(T);

/// A `Result` that is not spelled so.
type Parsed<T> = Result<T, std::num::ParseIntError>;

on_every_backend! {
    async fn parameters_name_their_upstreams<R>() {
        let mut flow = Flow::<R>::new();

        #[task(flow)]
        async fn user() -> Result<User, std::io::Error> {
            yield_now().await;
            Ok(User("Ada"))
        }

        #[task(flow)]
        async fn posts(user: &User) -> Vec<Post> {
            yield_now().await;
            vec![Post("first"), Post(user.0)]
        }

        #[task(flow)]
        fn html(user: &User, posts: &Vec<Post>) -> String {
            let posts: Vec<_> = posts.iter().map(|post| post.0).collect();
            format!("{}: {}", user.0, posts.join(", "))
        }

        let run = flow.execute().await.unwrap();
        assert_eq!(run[html], "Ada: first, Ada");
        assert_eq!(run.report().task(html).name(), "html");
    }

    async fn every_form_of_parameter<R>() {
        let mut flow = Flow::<R>::new();
        let numbers: Vec<Task<u32>> = (1..4_u32).map(|n| flow.add(move || n)).collect();
        let pair = [numbers[0], numbers[2]];

        #[task(flow)]
        fn text() -> String {
            "text".into()
        }

        #[task(flow)]
        fn broken() -> Result<u8, &'static str> {
            Err("broken")
        }

        #[task(flow)]
        fn taken(#[moved] mut text: String, numbers: Vec<&u32>) -> String {
            text.push_str(&numbers.len().to_string());
            text
        }

        #[task(flow)]
        async fn sum(pair: Vec<&u32>) -> Sum<u32> {
            yield_now().await;
            Sum(pair.into_iter().sum())
        }

        #[task(flow, always)]
        async fn end(broken: Option<&u8>, sum: Option<&Sum<u32>>) -> (bool, bool) {
            (broken.is_some(), sum.is_some())
        }

        let error = flow.execute().keep_going().await.unwrap_err();
        let outputs = error.outputs().unwrap();
        assert_eq!(outputs[taken], "text3");
        assert_eq!(outputs[sum], Sum(4));
        assert_eq!(outputs[end], (false, true));
    }

    async fn every_argument<R>() {
        let (mut flow, log) = (Flow::<R>::new(), Log::new());
        let (disk, cores) = (Lock::new(), Semaphore::new(3));
        let first = flow.add(log.note("first"));
        let second = flow.add((|| 2_u8).named("second"));
        let no = flow.add(|| false);

        #[task(
            flow,
            upstream = [first, second],
            lock = [disk, cores.permits(2)],
            name = format!("{}-th", 3),
            timeout = LONG,
            retry = at_once(2)
        )]
        fn third() -> u8 {
            3
        }

        #[task(flow, lock = &disk, run_if = no)]
        fn skipped() {}

        #[task(flow, after_any = [first, skipped])]
        async fn joined() {}

        let run = flow.execute().await.unwrap();
        assert_eq!(run[third], 3);
        assert_eq!(run.report().task(third).name(), "3-th");
        assert_eq!(run.report().status(skipped), TaskStatus::Skipped { because: no.into() });
        assert_eq!(run.report().status(joined), TaskStatus::Succeeded);
    }

    async fn what_becomes_of_it<R>() {
        let mut flow = Flow::<R>::new();
        let yes = flow.input::<bool>("yes");

        #[task(
            flow,
            retry = at_once(2),
            retry_when = |failure| failure.status() == TaskStatus::Panicked,
            fallback = |failure| failure.to_string().len(),
            priority = 3
        )]
        async fn recovered() -> Result<usize, &'static str> {
            Err("no luck")
        }

        #[task(flow, allow_failure)]
        fn allowed() -> Result<u8, &'static str> {
            Err("no luck")
        }

        #[task(flow, run_unless = yes)]
        fn unless_yes() {}

        #[task(flow, run_when = (recovered, |length| *length > 1000))]
        fn when_long() {}

        assert_eq!(flow.structure().task(recovered).priority(), 3);
        let run = flow.execute().given(yes, true).await.unwrap();
        let report = run.report();
        assert_eq!(report.status(recovered), TaskStatus::Recovered);
        assert_eq!(report.task(recovered).attempts(), 1, "no panic, no retry");
        assert_eq!(run[recovered], "task `recovered` failed: no luck".len());
        assert_eq!(report.status(allowed), TaskStatus::Failed);
        assert_eq!(report.status(unless_yes), skipped(yes));
        assert_eq!(report.status(when_long), skipped(recovered));
    }

    async fn inputs_from_elsewhere<R>() {
        let mut flow = Flow::<R>::new();
        let numbers: Vec<Task<u32>> = (1..4_u32).map(|n| flow.add(move || n)).collect();

        #[task(flow)]
        fn broken() -> Result<u32, &'static str> {
            Err("broken")
        }

        #[task(flow)]
        fn one(#[from(numbers[1])] number: &u32, #[context] cx: &TaskContext) -> String {
            format!("{} of {}", number, cx.name())
        }

        #[task(flow)]
        async fn present(
            #[from(broken, numbers[0])] some: Vec<Option<&u32>>,
            numbers: Vec<Option<&u32>>,
        ) -> usize {
            yield_now().await;
            some.into_iter().chain(numbers).flatten().count()
        }

        let lists = flow.add(|| vec![vec![1_u8], vec![2, 3]]);

        #[task(flow, lock = Lock::new())]
        async fn lengths(one: &String, #[each(lists)] list: &Vec<u8>) -> Result<usize, String> {
            yield_now().await;
            Ok(one.len() + list.len())
        }

        #[task(flow)]
        fn doubled(#[each(lengths)] #[moved] length: usize) -> usize {
            length * 2
        }

        let error = flow.execute().keep_going().await.unwrap_err();
        let outputs = error.outputs().unwrap();
        assert_eq!((&*outputs[one], outputs[present]), ("2 of one", 4));
        assert_eq!(outputs[doubled], [18, 20]);
    }

    async fn results_are_known_by_their_type<R>() {
        let mut flow = Flow::<R>::new();

        #[task(flow)]
        fn alias() -> Parsed<u8> {
            "7".parse()
        }

        #[task(flow)]
        async fn failing() -> Parsed<u8> {
            "seven".parse()
        }

        #[task(flow)]
        fn chained() -> anyhow::Result<()> {
            Err(anyhow::anyhow!("no power").context("no light"))
        }

        #[task(flow)]
        fn never() -> ! {
            panic!("never")
        }

        let _: Task<u8> = alias;
        let error = flow.execute().keep_going().await.unwrap_err();
        assert_eq!(error.outputs().unwrap()[alias], 7);
        let statuses: Vec<_> = error.failures().map(|failure| (failure.name(), failure.status())).collect();
        assert_eq!(
            statuses,
            [
                ("failing", TaskStatus::Failed),
                ("chained", TaskStatus::Failed),
                ("never", TaskStatus::Panicked)
            ]
        );
        let _ = (failing, chained, never);
    }

    async fn plain_functions_that_return_a_future<R>() {
        let mut flow = Flow::<R>::new();

        #[task(flow)]
        #[allow(clippy::manual_async_fn)]
        fn opaque() -> impl Future<Output = u8> + Send {
            async {
                yield_now().await;
                1
            }
        }

        #[task(flow)]
        fn boxed(opaque: &u8) -> Pin<Box<dyn Future<Output = u8> + Send>> {
            let before = *opaque;
            Box::pin(async move { before + 1 })
        }

        assert_eq!(flow.execute().await.unwrap()[boxed], 2);
    }

    async fn a_task_may_take_the_name_of_its_input<R>() {
        let mut flow = Flow::<R>::new();
        let mut numbers = Vec::new();

        #[task(flow)]
        fn number() -> u32 {
            1
        }
        for _ in 0..3 {
            #[task(flow)]
            fn number(number: &u32) -> u32 {
                number * 2
            }
            numbers.push(number);
        }
        #[task(flow)]
        fn number(numbers: Vec<&u32>) -> u32 {
            numbers.into_iter().sum()
        }

        assert_eq!(flow.execute().await.unwrap()[number], 6);
    }
}

/// In scope are only the names that are written here.
mod without_the_prelude {
    #[test]
    fn works() {
        let mut flow = asyncflow::Flow::<asyncflow::SmolRuntime>::new();

        #[asyncflow::task(flow)]
        async fn first() -> Option<u8> {
            None
        }

        #[asyncflow::task(flow, upstream = first)]
        async fn second(first: &Option<u8>) -> Option<u8> {
            *first
        }

        let run = smol::block_on(flow.execute()).unwrap();
        assert_eq!(run[second], None);
    }
}

#[test]
fn in_the_macros_of_others() {
    macro_rules! tasks {
        ($flow:ident, $($name:ident: $output:ty = $value:expr),*) => {
            $(#[task($flow)] fn $name() -> $output { $value })*
        };
    }

    let mut flow = asyncflow::SmolFlow::new();
    tasks!(flow, one: usize = 1, two: String = "2".to_owned());
    let run = smol::block_on(flow.execute()).unwrap();
    assert_eq!((run[one], &*run[two]), (1, "2"));
}

#[test]
fn flows_that_are_borrowed_or_in_a_field() {
    struct App {
        flow: asyncflow::SmolFlow,
    }

    fn declare(flow: &mut asyncflow::SmolFlow) -> Task<u8> {
        #[task(flow)]
        fn one() -> u8 {
            1
        }
        one
    }

    let mut app = App {
        flow: asyncflow::SmolFlow::new(),
    };
    let one = declare(&mut app.flow);
    #[task(app.flow)]
    fn two(one: &u8) -> u8 {
        one + 1
    }
    assert_eq!(smol::block_on(app.flow.execute()).unwrap()[two], 2);
}
