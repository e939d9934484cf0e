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
use std::time::{Duration, Instant};

use asyncflow::FlowError;
use asyncflow::prelude::*;
use backend::{AppFlow, block_on, sleep};

struct User {
    id: u64,
    name: String,
}

struct Post {
    title: String,
    likes: u32,
}

struct Html(String);

fn main() -> Result<(), FlowError> {
    let mut flow = AppFlow::new();

    #[task(flow)]
    async fn user() -> io::Result<User> {
        let name = "Ada Lovelace".to_owned();
        ask("/me", User { id: 1815, name }).await
    }

    // Both need the user and neither needs the other, so they are asked for side by side.
    #[task(flow)]
    async fn posts(user: &User) -> io::Result<Vec<Post>> {
        let title = "On numbers".to_owned();
        let posts = vec![Post { title, likes: 1843 }];
        ask(&format!("/users/{}/posts", user.id), posts).await
    }

    #[task(flow)]
    async fn friends(user: &User) -> io::Result<Vec<String>> {
        let friends = vec!["Charles".to_owned(), "Mary".to_owned()];
        ask(&format!("/users/{}/friends", user.id), friends).await
    }

    // It borrows what the others returned: nothing is copied on the way.
    #[task(flow)]
    fn html(user: &User, posts: &Vec<Post>, friends: &Vec<String>) -> Html {
        let mut html = format!("<h1>{}</h1>\n", user.name);
        for post in posts {
            html += &format!("<p>{}: {} likes</p>\n", post.title, post.likes);
        }
        Html(html + &format!("<p>friends: {}</p>", friends.join(", ")))
    }

    let start = Instant::now();
    let run = block_on(flow.execute().timed())?;
    let took = start.elapsed();
    println!("\n{}\n", run[html].0);

    let times = run.report().tasks().filter_map(|task| task.times());
    let ran = times.filter_map(|times| Some(times.ended? - times.started?));
    let parts: Duration = ran.sum();
    println!("It took {took:.0?}; its parts, one after the other, take {parts:.0?}.");
    Ok(())
}

/// A service that takes its time to answer.
async fn ask<T>(path: &str, answer: T) -> io::Result<T> {
    println!("GET {path}");
    sleep(Duration::from_millis(150)).await;
    Ok(answer)
}
