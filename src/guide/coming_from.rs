//! Coming from `join!`, `JoinSet` and `FuturesUnordered`: the same program before and after.
//!
//! The programs run as tests, which assert what the tables say. Times are those of Tokio's paused clock, so
//! they count pauses alone.
//!
//! # `join!`
//!
//! A page with a user, the posts of the user, and ads. Before:
//!
//! ```
//! # use std::time::Duration;
//! # use tokio::time::{Instant, sleep};
//! # type BoxError = Box<dyn std::error::Error + Send + Sync>;
//! # async fn user(id: u64) -> Result<u64, BoxError> { sleep(Duration::from_millis(30)).await; Ok(id) }
//! # async fn posts(user: &u64) -> Result<u64, BoxError> { sleep(Duration::from_millis(40)).await; if *user == 0 { return Err("no posts".into()) } Ok(2) }
//! # async fn ads(_: u64) -> Result<u64, BoxError> { sleep(Duration::from_millis(50)).await; Ok(3) }
//! # fn html(user: &u64, posts: &u64, ads: &u64) -> u64 { if *user == 9 { panic!("no page") } user + posts + ads }
//! async fn page(id: u64) -> Result<u64, BoxError> {
//!     let user = user(id).await?;
//!     let (posts, ads) = tokio::try_join!(posts(&user), ads(id))?;
//!     let html = tokio::task::spawn_blocking(move || html(&user, &posts, &ads));
//!     Ok(html.await?)
//! }
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! # let start = Instant::now();
//! # assert_eq!(page(7).await.unwrap(), 12);
//! # assert_eq!(start.elapsed().as_millis(), 80);
//! # assert_eq!(page(0).await.unwrap_err().to_string(), "no posts");
//! # assert!(!page(9).await.unwrap_err().to_string().contains("html"));
//! # }
//! ```
//!
//! After:
//!
//! ```
//! # use std::time::Duration;
//! # use asyncflow::prelude::*;
//! # use asyncflow::TokioFlow;
//! # use tokio::time::{Instant, sleep};
//! # type BoxError = Box<dyn std::error::Error + Send + Sync>;
//! # async fn user(id: &u64) -> Result<u64, BoxError> { sleep(Duration::from_millis(30)).await; Ok(*id) }
//! # async fn posts(user: &u64) -> Result<u64, BoxError> { sleep(Duration::from_millis(40)).await; if *user == 0 { return Err("no posts".into()) } Ok(2) }
//! # async fn ads(_: &u64) -> Result<u64, BoxError> { sleep(Duration::from_millis(50)).await; Ok(3) }
//! # fn html(user: &u64, posts: &u64, ads: &u64) -> u64 { if *user == 9 { panic!("no page") } user + posts + ads }
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), FlowError> {
//! let mut flow = TokioFlow::new();
//! let id = flow.input("id");
//! let user = flow.add(user.inputs(id));
//! let posts = flow.add(posts.inputs(user));
//! let ads = flow.add(ads.inputs(id));
//! let html = flow.add(html.inputs((user, posts, ads)));
//!
//! # let start = Instant::now();
//! let page = flow.execute().given(id, 7).await?[html];
//! # assert_eq!(page, 12);
//! # assert_eq!(start.elapsed().as_millis(), 70);
//! # let error = flow.execute().given(id, 0).await.unwrap_err();
//! # assert_eq!(error.to_string(), "task `posts` failed: no posts (1 skipped)");
//! # let error = flow.execute().given(id, 9).await.unwrap_err();
//! # assert_eq!(error.to_string(), "task `html` panicked: no page");
//! # Ok(())
//! # }
//! ```
//!
//! | | `try_join!` | flow |
//! |---|---|---|
//! | lines | 6 | 7 |
//! | `ads`, which does not need the user | waits for it, unless blocks are nested by hand | starts at once |
//! | time, if `user` pauses 30 ms, `posts` 40 ms, `ads` 50 ms | 80 ms | 70 ms |
//! | threads for the async functions | one | all of the runtime's |
//! | the error | `no posts` | ``task `posts` failed: no posts (1 skipped)`` |
//! | a panic | unwinds through the caller; in `spawn_blocking`, a `JoinError` | a failure like any other: ``task `html` panicked: no page`` |
//! | if the caller gives up while `html` runs | it runs on, and nobody waits for it | with a [`deadline`](crate::Execute::deadline), it is waited for |
//!
//! # `JoinSet`
//!
//! A list of pages, two at a time, each within a second. Before:
//!
//! ```
//! # use std::collections::BTreeMap;
//! # use std::sync::Arc;
//! # use std::sync::atomic::{AtomicUsize, Ordering};
//! # use std::time::Duration;
//! # use tokio::sync::Semaphore;
//! # use tokio::task::JoinSet;
//! # use tokio::time::{sleep, timeout};
//! # type BoxError = Box<dyn std::error::Error + Send + Sync>;
//! # static REQUESTS: AtomicUsize = AtomicUsize::new(0);
//! # struct Request;
//! # impl Drop for Request { fn drop(&mut self) { REQUESTS.fetch_sub(1, Ordering::SeqCst); } }
//! # struct Client;
//! # impl Client { async fn get(&self, url: &str) -> Result<usize, BoxError> {
//! #     REQUESTS.fetch_add(1, Ordering::SeqCst);
//! #     let _request = Request;
//! #     sleep(Duration::from_millis(10 * url.len() as u64)).await;
//! #     if url == "/b" { return Err("503".into()) }
//! #     Ok(url.len())
//! # } }
//! async fn pages(client: Arc<Client>, urls: Vec<String>) -> Result<Vec<usize>, BoxError> {
//!     let limit = Arc::new(Semaphore::new(2));
//!     let mut set = JoinSet::new();
//!     for (index, url) in urls.into_iter().enumerate() {
//!         let (client, limit) = (client.clone(), limit.clone());
//!         set.spawn(async move {
//!             let _permit = limit.acquire().await?;
//!             let page = timeout(Duration::from_secs(1), client.get(&url)).await??;
//!             Ok::<_, BoxError>((index, page))
//!         });
//!     }
//!     let mut pages = BTreeMap::new();
//!     while let Some(joined) = set.join_next().await {
//!         let (index, page) = joined??;
//!         pages.insert(index, page);
//!     }
//!     Ok(pages.into_values().collect())
//! }
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! # let urls = ["/long", "/a", "/c"].map(String::from).to_vec();
//! # assert_eq!(pages(Arc::new(Client), urls).await.unwrap(), [5, 2, 2]);
//! # let urls = ["/long", "/b", "/c"].map(String::from).to_vec();
//! # assert_eq!(pages(Arc::new(Client), urls).await.unwrap_err().to_string(), "503");
//! # assert!(REQUESTS.load(Ordering::SeqCst) > 0);
//! # }
//! ```
//!
//! After:
//!
//! ```
//! # use std::sync::atomic::{AtomicUsize, Ordering};
//! # use std::time::Duration;
//! # use asyncflow::prelude::*;
//! # use asyncflow::TokioFlow;
//! # use tokio::time::sleep;
//! # type BoxError = Box<dyn std::error::Error + Send + Sync>;
//! # static REQUESTS: AtomicUsize = AtomicUsize::new(0);
//! # struct Request;
//! # impl Drop for Request { fn drop(&mut self) { REQUESTS.fetch_sub(1, Ordering::SeqCst); } }
//! # struct Client;
//! # impl Client { async fn get(&self, url: &str) -> Result<usize, BoxError> {
//! #     REQUESTS.fetch_add(1, Ordering::SeqCst);
//! #     let _request = Request;
//! #     sleep(Duration::from_millis(10 * url.len() as u64)).await;
//! #     if url == "/b" { return Err("503".into()) }
//! #     Ok(url.len())
//! # } }
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), FlowError> {
//! let mut flow = TokioFlow::new();
//! let client = flow.value(Client);
//! let urls = flow.input::<Vec<String>>("urls");
//! let fetch = async |url: &String, client: &Client| client.get(url).await;
//! let fetch = each(fetch).named("fetch").inputs((urls, client));
//! let pages = flow.add(fetch.with_lock(&Semaphore::new(2)).timeout(Duration::from_secs(1)));
//!
//! # let list = ["/long", "/a", "/c"].map(String::from).to_vec();
//! let run = flow.execute().given(urls, list).await?; // run[pages]: &Vec<usize>
//! # assert_eq!(run[pages], [5, 2, 2]);
//! # let list = ["/long", "/b", "/c"].map(String::from).to_vec();
//! # let error = flow.execute().given(urls, list).await.unwrap_err();
//! # assert_eq!(error.to_string(), "task `fetch[1]` failed: 503");
//! # assert_eq!(REQUESTS.load(Ordering::SeqCst), 0);
//! # let list = ["/b", "/b", "/c"].map(String::from).to_vec();
//! # let error = flow.execute().keep_going().given(urls, list).await.unwrap_err();
//! # assert_eq!(error.failures().count(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! | | `JoinSet` | flow |
//! |---|---|---|
//! | lines | 18 | 7 |
//! | the error | `503` | ``task `fetch[1]` failed: 503`` |
//! | when it is returned | requests that were running are still there: they are aborted, but not waited for | all others have ended |
//! | several failures | the first is returned, the others are lost | with [`keep_going`](crate::Execute::keep_going), [`failures`](crate::FlowError::failures) has each |
//! | a list of a million | a million spawned tasks that wait for the semaphore | as many futures as there are permits |
//!
//! # `FuturesUnordered`
//!
//! Targets of a build, each as soon as what it depends on is made. Before:
//!
//! ```
//! # use std::collections::{BTreeMap, BTreeSet};
//! # use futures::stream::{FuturesUnordered, StreamExt};
//! # type BoxError = Box<dyn std::error::Error + Send + Sync>;
//! # async fn make(target: &str) -> Result<(), BoxError> { if target == "bad" { return Err("exit status 1".into()) } Ok(()) }
//! type Graph = BTreeMap<&'static str, BTreeSet<&'static str>>;
//!
//! async fn build(mut waiting: Graph) -> Result<(), BoxError> {
//!     let mut running = FuturesUnordered::new();
//!     loop {
//!         let ready = waiting.iter().filter(|(_, upstreams)| upstreams.is_empty());
//!         let ready: Vec<_> = ready.map(|(target, _)| *target).collect();
//!         for target in ready {
//!             waiting.remove(target);
//!             running.push(async move { make(target).await.map(|()| target) });
//!         }
//!         let Some(made) = running.next().await else { break };
//!         let made = made?;
//!         for upstreams in waiting.values_mut() {
//!             upstreams.remove(made);
//!         }
//!     }
//!     Ok(())
//! }
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! # let graph = |text: &[(&'static str, &[&'static str])]| text.iter().map(|(target, of)| (*target, of.iter().copied().collect())).collect();
//! # assert!(build(graph(&[("app", &["lib"]), ("lib", &[])])).await.is_ok());
//! # assert_eq!(build(graph(&[("app", &["bad"]), ("bad", &[])])).await.unwrap_err().to_string(), "exit status 1");
//! # assert!(build(graph(&[("app", &["lib"]), ("lib", &["app"])])).await.is_ok());
//! # }
//! ```
//!
//! After:
//!
//! ```
//! # use std::collections::{BTreeMap, BTreeSet};
//! # use asyncflow::TokioFlow;
//! # use asyncflow::prelude::*;
//! # type BoxError = Box<dyn std::error::Error + Send + Sync>;
//! # async fn make(target: &str) -> Result<(), BoxError> { if target == "bad" { return Err("exit status 1".into()) } Ok(()) }
//! type Graph = BTreeMap<&'static str, BTreeSet<&'static str>>;
//!
//! async fn build(graph: Graph) -> Result<(), BoxError> {
//!     let mut flow = TokioFlow::new();
//!     flow.add_graph(graph, |flow, &target, upstreams| {
//!         flow.add((move || make(target)).named(target).after(upstreams))
//!     })?;
//!     flow.execute().await?;
//!     Ok(())
//! }
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! # let graph = |text: &[(&'static str, &[&'static str])]| text.iter().map(|(target, of)| (*target, of.iter().copied().collect())).collect();
//! # assert!(build(graph(&[("app", &["lib"]), ("lib", &[])])).await.is_ok());
//! # assert_eq!(build(graph(&[("app", &["bad"]), ("bad", &[])])).await.unwrap_err().to_string(), "task `bad` failed: exit status 1 (1 skipped)");
//! # let error = build(graph(&[("app", &["lib"]), ("lib", &["app"])])).await.unwrap_err();
//! # assert_eq!(error.to_string(), "tasks wait for each other: app → lib → app; take out one of these dependencies");
//! # }
//! ```
//!
//! | | `FuturesUnordered` | flow |
//! |---|---|---|
//! | lines | 18 | 9 |
//! | a target that depends on itself | `Ok`, and it was not made | an error before anything starts: `app → lib → app` |
//! | work for each target that is made | a look at all that wait | a look at what depends on it |
//! | threads | one | all of the runtime's |
//! | the error | `exit status 1` | ``task `bad` failed: exit status 1 (1 skipped)`` |
//!
//! # What stays
//!
//! A function that awaits two others and no more needs no flow: `join!` is right there. A flow pays when there
//! are dependencies, limits, retries, clean-up or something to watch.
