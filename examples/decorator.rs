//! The decorator: functions that are declared where they are written, with what they depend on.
//!
//! ```text
//! cargo run --example decorator --features tokio
//! ```

mod backend;

use std::io;
use std::time::Duration;

use asyncflow::FlowError;
use asyncflow::backon::ConstantBuilder;
use asyncflow::prelude::*;
use backend::{AppFlow, block_on, sleep};

struct User {
    id: u64,
    name: String,
}

struct Post {
    title: String,
}

fn main() -> Result<(), FlowError> {
    let mut flow = AppFlow::new();
    let disk = Lock::new();

    // From here on `user` is the handle of a task whose output is a `User`.
    #[task(flow)]
    async fn user() -> io::Result<User> {
        sleep(Duration::from_millis(20)).await;
        Ok(User {
            id: 7,
            name: "Ada".to_owned(),
        })
    }

    // A parameter names its upstream and receives its output. What else there is to say of the
    // task is said in the attribute.
    #[task(flow, timeout = Duration::from_secs(5), retry = ConstantBuilder::default())]
    async fn posts(user: &User) -> io::Result<Vec<Post>> {
        sleep(Duration::from_millis(20)).await;
        let titles = ["Note A", "Note G"].map(|title| format!("{title} by user {}", user.id));
        Ok(titles.map(|title| Post { title }).into())
    }

    // Not async, so it runs on a thread where it may block.
    #[task(flow, name = "render")]
    fn html(user: &User, posts: &Vec<Post>) -> String {
        let titles: String = posts
            .iter()
            .map(|post| format!("<li>{}</li>", post.title))
            .collect();
        format!("<h1>{}</h1><ul>{titles}</ul>", user.name)
    }

    // Depends on the order only, and holds the lock while it runs.
    #[task(flow, upstream = html, lock = disk)]
    fn save() {
        println!("saved");
    }

    // A list of upstreams may mix outputs.
    #[task(flow, upstream = [posts, save])]
    async fn notify() {
        println!("notified");
    }

    // The handles are those that `flow.add` returns too, so that the styles mix.
    flow.add((|| println!("done")).named("goodbye").after(notify));

    let run = block_on(flow.execute())?;
    println!("{}\n\n{}", run[html], run.report());
    Ok(())
}
