//! Makes a page from the answers of a slow service: typed data passes from task to task.
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
//!
//! Compare the two times in the last line: `posts` and `friends` run at the same time.

mod backend;

use std::io;
use std::time::Duration;

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
        let name = "user 7".to_owned();
        ask("/me", User { id: 7, name }).await
    }

    // `posts` and `friends` need the user but not each other, so they run at the same time.
    #[task(flow)]
    async fn posts(user: &User) -> io::Result<Vec<Post>> {
        let title = "first post".to_owned();
        let posts = vec![Post { title, likes: 12 }];
        ask(&format!("/users/{}/posts", user.id), posts).await
    }

    #[task(flow)]
    async fn friends(user: &User) -> io::Result<Vec<String>> {
        let friends = vec!["user 3".to_owned(), "user 9".to_owned()];
        ask(&format!("/users/{}/friends", user.id), friends).await
    }

    // Borrows the outputs of the other tasks; nothing is copied.
    #[task(flow)]
    fn html(user: &User, posts: &Vec<Post>, friends: &Vec<String>) -> Html {
        let mut html = format!("<h1>{}</h1>\n", user.name);
        for post in posts {
            html += &format!("<p>{}: {} likes</p>\n", post.title, post.likes);
        }
        Html(html + &format!("<p>friends: {}</p>", friends.join(", ")))
    }

    let run = block_on(flow.execute().timed())?;
    println!("\n{}\n", run[html].0);

    let took = run.report().wall().unwrap_or_default();
    let parts: Duration = run.report().tasks().filter_map(|task| task.ran()).sum();
    println!("The run took {took:.0?}; its tasks, one after the other, would take {parts:.0?}.");
    Ok(())
}

/// Asks a service that takes some time to answer.
async fn ask<T>(path: &str, answer: T) -> io::Result<T> {
    println!("GET {path}");
    sleep(Duration::from_millis(150)).await;
    Ok(answer)
}
