//! What a runtime that wraps another one leaves to it.

/// The types and methods of [`Runtime`](asyncflow::Runtime) that have nothing to do with time, forwarded to
/// the field `runtime`.
#[doc(hidden)]
#[macro_export]
macro_rules! forward_to_runtime {
    () => {
        type Lock = R::Lock;
        type Semaphore = R::Semaphore;

        fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
            self.runtime.enter(f)
        }

        fn parallelism(&self) -> usize {
            self.runtime.parallelism()
        }

        fn spawn(&self, future: impl ::std::future::Future<Output = ()> + Send + 'static) {
            self.runtime.spawn(future);
        }

        fn spawn_blocking(&self, function: impl FnOnce() + Send + 'static) {
            self.runtime.spawn_blocking(function);
        }
    };
}
