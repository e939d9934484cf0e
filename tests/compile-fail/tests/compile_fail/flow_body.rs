// A mistake in the body of one function is reported there, and nowhere else.

use asyncflow::TokioRuntime;
use asyncflow::prelude::*;

struct Page {
    host: String,
}

#[flow]
impl Page {
    #[task]
    async fn user(&self, #[input] id: &u64) -> Result<String, std::io::Error> {
        let user: String = self.hosts.clone();
        Ok(user)
    }

    #[task]
    fn html(&self, user: &String) -> usize {
        user
    }
}

fn main() {
    let page = Page { host: String::new() };
    let _: usize = page.html(&page.host);
    let page = PageFlow::<TokioRuntime>::new(page);
    let _: Task<usize> = page.html;
}
