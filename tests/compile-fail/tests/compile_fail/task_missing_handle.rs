use asyncflow::{Flow, Runtime, prelude::*};

struct User;

fn build<R: Runtime>(flow: &mut Flow<R>) {
    #[task(flow)]
    fn html(user: &User, posts: Vec<&String>) {}

    #[task(flow)]
    fn user() -> User {
        User
    }
}

fn main() {}
