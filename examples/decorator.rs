//! Declares tasks with the attribute `#[task]`, where their functions are written.
//!
//! ```text
//! cargo run --example decorator --features tokio
//! ```
//!
//! Look at the parameters and the attributes of the functions: they say what each task depends on.

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

    // The attribute adds the task and defines `user`, the handle of a task whose output is a `User`.
    #[task(flow)]
    async fn user() -> io::Result<User> {
        sleep(Duration::from_millis(20)).await;
        Ok(User {
            id: 7,
            name: "user 7".to_owned(),
        })
    }

    // A parameter has the name of an upstream, and receives its output. The attribute configures the
    // task.
    #[task(flow, timeout = Duration::from_secs(5), retry = ConstantBuilder::default())]
    async fn posts(user: &User) -> io::Result<Vec<Post>> {
        sleep(Duration::from_millis(20)).await;
        let titles = ["first", "second"].map(|title| format!("{title} post of user {}", user.id));
        Ok(titles.map(|title| Post { title }).into())
    }

    // This function is not async, so it runs on a thread where it may block.
    #[task(flow, name = "render")]
    fn html(user: &User, posts: &Vec<Post>) -> String {
        let titles: String = posts
            .iter()
            .map(|post| format!("<li>{}</li>", post.title))
            .collect();
        format!("<h1>{}</h1><ul>{titles}</ul>", user.name)
    }

    // Runs after `html` without using its output, and holds the lock while it runs.
    #[task(flow, upstream = html, lock = disk)]
    fn save() {
        println!("saved");
    }

    // A list of upstreams may mix types of outputs.
    #[task(flow, upstream = [posts, save])]
    async fn notify() {
        println!("notified");
    }

    // The handles have the same type as those that `flow.add` returns, so the two styles mix.
    flow.add((|| println!("done")).named("goodbye").after(notify));

    let run = block_on(flow.execute())?;
    println!("{}\n\n{}", run[html], run.report());
    Ok(())
}
