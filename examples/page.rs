//! A page made of what a slow service answers: typed data between tasks.
//!
//! ```text
//!         ╭──▶ posts ────╮
//!  user ──┼──────────────┼──▶ html
//!         ╰──▶ friends ──╯
//! ```
//!
//! ```text
//! cargo run --example page --features tokio
//! ```

mod backend;

use std::io;
use std::time::Duration;

use asyncflow::FlowError;
use asyncflow::prelude::*;
use backend::{AppFlow, block_on, sleep};

struct User {
    name: &'static str,
    born: u32,
}

struct Post {
    title: &'static str,
    likes: u32,
}

struct Html(String);

fn main() -> Result<(), FlowError> {
    let mut flow = AppFlow::new();

    #[task(flow)]
    async fn user() -> io::Result<User> {
        slow(User {
            name: "Ada",
            born: 1815,
        })
        .await
    }

    // Both need the user and neither needs the other, so they are asked for side by side.
    #[task(flow)]
    async fn posts(user: &User) -> io::Result<Vec<Post>> {
        let likes = user.born;
        slow(vec![
            Post {
                title: "Note A",
                likes: 12,
            },
            Post {
                title: "Note G",
                likes,
            },
        ])
        .await
    }

    #[task(flow)]
    async fn friends(user: &User) -> io::Result<Vec<String>> {
        slow(
            ["Charles", "Mary"]
                .map(|friend| format!("{friend} knows {}", user.name))
                .into(),
        )
        .await
    }

    // It borrows what the others returned; nothing is cloned on the way.
    #[task(flow)]
    fn html(user: &User, posts: &[Post], friends: &[String]) -> Html {
        let posts: String = posts
            .iter()
            .map(|post| format!("  <li>{} ({} likes)</li>\n", post.title, post.likes))
            .collect();
        let (name, friends) = (user.name, friends.join(", "));
        Html(format!(
            "<h1>{name}</h1>\n<ul>\n{posts}</ul>\n<p>{friends}</p>"
        ))
    }

    let run = block_on(flow.execute().timed())?;
    println!("{}\n", run[html].0);

    let times = run.report().tasks().filter_map(|task| task.times());
    let parts: Duration = times
        .filter_map(|times| Some(times.ended? - times.started?))
        .sum();
    let whole = run.report().wall().unwrap_or_default();
    println!(
        "It took {} ms. Its parts took {} ms.",
        whole.as_millis(),
        parts.as_millis()
    );
    Ok(())
}

/// What a service on the network answers, after a while.
async fn slow<T>(answer: T) -> io::Result<T> {
    sleep(Duration::from_millis(150)).await;
    Ok(answer)
}
