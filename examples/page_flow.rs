//! The example `page` as a type: the tasks are methods, and share the client that they ask with.
//!
//! ```text
//!                ╭──▶ posts ────╮
//!  id ──▶ user ──┼──────────────┼──▶ html
//!                ╰──▶ friends ──╯
//! ```
//!
//! ```text
//! cargo run --example page_flow --features tokio
//! ```
//!
//! Look at `main`: the flow is built once, and serves two requests at the same time. The pages come
//! together, after the time of one.

mod backend;

use std::io;
use std::time::Duration;

use asyncflow::FlowError;
use asyncflow::prelude::*;
use backend::{AppRuntime, block_on, sleep};

struct User {
    id: u64,
    name: String,
}

struct Post {
    title: String,
    likes: u32,
}

/// What the tasks share. They borrow it as `&self`.
struct Page {
    client: Client,
}

#[flow]
impl Page {
    #[task]
    async fn user(&self, #[input] id: &u64) -> io::Result<User> {
        let (id, name) = (*id, format!("user {id}"));
        self.client.get("/me", User { id, name }).await
    }

    // `posts` and `friends` need the user but not each other, so they run at the same time.
    #[task]
    async fn posts(&self, user: &User) -> io::Result<Vec<Post>> {
        let (title, likes) = ("first post".to_owned(), 12);
        let path = format!("/users/{}/posts", user.id);
        self.client.get(&path, vec![Post { title, likes }]).await
    }

    // The page does without, if the service takes too long.
    #[task(timeout = self.client.patience, fallback = |_| Vec::new())]
    async fn friends(&self, user: &User) -> io::Result<Vec<String>> {
        let friends = [3, 9].map(|id| format!("user {id}"));
        let path = format!("/users/{}/friends", user.id);
        self.client.get(&path, friends.into()).await
    }

    // Not async, so it runs on a thread where it may take its time.
    #[task]
    fn html(user: &User, posts: &Vec<Post>, friends: &Vec<String>) -> String {
        let mut html = format!("<h1>{}</h1>\n", user.name);
        for post in posts {
            html += &format!("<p>{}: {} likes</p>\n", post.title, post.likes);
        }
        html + &format!("<p>friends: {}</p>", friends.join(", "))
    }
}

fn main() -> Result<(), FlowError> {
    let patience = Duration::from_secs(5);
    let page = PageFlow::<AppRuntime>::new(Page {
        client: Client { patience },
    });
    let (first, second) = block_on(async {
        let (first, second) = (
            page.execute().given(page.id, 7).start(),
            page.execute().given(page.id, 8).start(),
        );
        Ok::<_, FlowError>((first.await?, second.await?))
    })?;
    println!("\n{}\n\n{}", first[page.html], second[page.html]);
    Ok(())
}

/// A client of a service that takes some time to answer.
struct Client {
    patience: Duration,
}

impl Client {
    async fn get<T>(&self, path: &str, answer: T) -> io::Result<T> {
        println!("GET {path}");
        sleep(Duration::from_millis(150)).await;
        Ok(answer)
    }
}

// The tasks are functions, so they can be tested alone.
#[test]
fn a_page_without_friends() {
    let (id, name) = (7, "Ada".to_owned());
    let html = Page::html(&User { id, name }, &vec![], &vec![]);
    assert_eq!(html, "<h1>Ada</h1>\n<p>friends: </p>");
}
