use asyncflow::{Flow, Runtime, prelude::*};

struct User;
struct Post;

fn build<R: Runtime>(flow: &mut Flow<R>) {
    #[task(flow)]
    async fn user() -> User {
        User
    }

    #[task(flow)]
    async fn posts(user: &User) -> Vec<Post> {
        vec![]
    }

    #[task(flow)]
    async fn title(user: &User) -> String {
        String::new()
    }

    #[task(flow)]
    async fn html(user: &User, posts: &Vec<User>) {}

    #[task(flow)]
    fn slice(user: &User, posts: &[Post]) {}

    #[task(flow)]
    fn text(title: &str) {}

    #[task(flow)]
    fn object(title: &dyn std::fmt::Display) {}

    #[task(flow)]
    fn optional(title: Option<&User>) {}

    #[task(flow)]
    fn moved(#[moved] title: User) {}

    #[task(flow)]
    fn listed(posts: Vec<&Post>) {}

    let users = vec![user, user];

    #[task(flow)]
    fn list_of_another_type(users: Vec<&Post>) {}

    #[task(flow)]
    fn list_as_one(users: &User) {}

    let number = 5;

    #[task(flow)]
    fn no_handle(number: &i32) {}

    #[task(flow)]
    fn no_such_type(user: &Usr) {}
}

fn main() {}
