use asyncflow::{Flow, Runtime, prelude::*};

fn build<R: Runtime>(flow: &mut Flow<R>) {
    #[task(flow)]
    fn one() -> usize {
        1
    }

    #[task(flow)]
    fn generic<T>(one: &T) {}

    #[task(flow)]
    fn with_a_lifetime<'a>(one: &'a usize) {}

    #[task(flow)]
    fn with_a_constant<const N: usize>() {}

    #[task(flow)]
    fn with_a_bound()
    where
        usize: Copy,
    {
    }

    #[task(flow)]
    fn generic_in_disguise(one: &impl Copy) {}

    #[task(flow)]
    unsafe fn not_safe() {}

    #[task(flow)]
    const fn constant() {}

    #[task(flow)]
    extern "C" fn foreign() {}

    #[task(flow)]
    pub fn visible() {}

    #[task(flow)]
    pub(crate) unsafe extern "C" fn everything<T>() {}

    #[task(flow)]
    #[task(flow)]
    fn two_tasks() {}
}

fn main() {}
