//! What a runtime leaves to another one.

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

/// The methods of [`Runtime`](asyncflow::Runtime), forwarded to [`ThreadRuntime`](crate::ThreadRuntime). So a
/// test has only to say which locks its runtime has.
#[doc(hidden)]
#[macro_export]
macro_rules! forward_to_threads {
    () => {
        fn parallelism(&self) -> usize {
            $crate::ThreadRuntime.parallelism()
        }

        fn spawn(&self, future: impl ::std::future::Future<Output = ()> + Send + 'static) {
            $crate::ThreadRuntime.spawn(future);
        }

        fn spawn_blocking(&self, function: impl FnOnce() + Send + 'static) {
            $crate::ThreadRuntime.spawn_blocking(function);
        }

        fn sleep(
            &self,
            duration: ::std::time::Duration,
        ) -> impl ::std::future::Future<Output = ()> + Send + 'static {
            $crate::ThreadRuntime.sleep(duration)
        }
    };
}
