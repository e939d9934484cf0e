#![allow(unused_variables)]

use std::cell::Cell;
use std::rc::Rc;

use asyncflow::prelude::*;

struct User;

struct Page;

#[flow]
impl Page {
    #[task]
    async fn user(&self, #[input] id: &u64) -> User {
        User
    }

    #[task]
    fn posts(user: &String) -> Vec<User> {
        vec![]
    }

    #[task]
    fn html(id: &u32, #[from(user, posts)] all: Vec<&User>) {}

    #[task]
    fn no_list(#[each(user)] user: &User) {}

    #[task]
    async fn other_elements(#[each(posts)] post: &String) {}

    #[task]
    fn not_send() -> Rc<u8> {
        Rc::new(1)
    }

    #[task(timeout = 5)]
    fn argument() {}

    #[task]
    fn body(&self) -> usize {
        self.nothing;
        "text"
    }
}

struct NotShared(Cell<u8>);

#[flow]
impl NotShared {
    #[task]
    fn number(&self) -> u8 {
        self.0.get()
    }
}

fn main() {}
