use asyncflow::{Flow, Runtime, prelude::*};
use std::rc::Rc;

struct NoError;

fn build<R: Runtime>(flow: &mut Flow<R>) {
    #[task(flow)]
    fn wrong_error() -> Result<u8, NoError> {
        Ok(1)
    }

    #[task(flow)]
    async fn wrong_error_async() -> Result<u8, NoError> {
        Ok(1)
    }

    #[task(flow)]
    fn output_not_send() -> Rc<u8> {
        Rc::new(1)
    }

    #[task(flow)]
    fn result_not_send() -> Result<Rc<u8>, String> {
        Ok(Rc::new(1))
    }

    #[task(flow)]
    fn output_not_sync() -> std::cell::Cell<u8> {
        std::cell::Cell::new(1)
    }
}

fn main() {}
