use asyncflow::{Flow, Runtime, prelude::*};

fn build<R: Runtime>(flow: &mut Flow<R>) {
    #[task(flow)]
    fn text() -> String {
        String::new()
    }

    #[task(flow)]
    fn borrowed(text: &String) -> &str {
        text
    }

    #[task(flow)]
    async fn borrowed_async(text: &String) -> Result<&str, String> {
        Ok(text)
    }
}

fn main() {}
