//! Functions whose outputs are [recorded](crate::record).

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::AtomicBool;

use crate::record::{Codec, CodecFns};
use crate::sealed::Sealed;

use super::configure::{Configured, TaskExt};
use super::function::{CallAsync, CallPlain, CalledWith};

/// A task function whose output is recorded with the codec `C`, if the run has a recorder.
pub struct Recorded<F, C> {
    function: F,
    version: u32,
    codec: PhantomData<fn() -> C>,
}

/// Wraps a task function, so that its output is recorded.
pub fn recorded<F, C>(function: F) -> Recorded<F, C> {
    Recorded {
        function,
        version: 0,
        codec: PhantomData,
    }
}

impl<F, C> Recorded<F, C> {
    /// Sets the version of the function. It is 0 by default.
    ///
    /// A record of another version is not used: the function is called, and its output replaces the
    /// record. Raise the version when a change of the function makes earlier outputs wrong.
    pub fn version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    pub(super) fn map<G>(self, map: impl FnOnce(F) -> G) -> Recorded<G, C> {
        Recorded {
            function: map(self.function),
            version: self.version,
            codec: PhantomData,
        }
    }
}

impl<F, C> fmt::Debug for Recorded<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded")
            .field("function", &type_name::<F>())
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl<F, C> TaskExt<Recorded<(), ()>> for Recorded<F, C> {
    fn configured(self, _: Sealed) -> Configured<Self> {
        Configured::new(self)
    }
}

#[diagnostic::do_not_recommend]
impl<'a, F, C, Args> CalledWith<'a, Args> for Recorded<F, C>
where
    F: CalledWith<'a, Args>,
{
    type Return = F::Return;
}

macro_rules! call {
    ($call:ident) => {
        fn function_name(&self) -> &'static str {
            $call::function_name(&self.function)
        }

        fn claim(&self) -> Option<&AtomicBool> {
            $call::claim(&self.function)
        }

        fn codec() -> Option<CodecFns<F::Value>> {
            Some(CodecFns::of::<C>())
        }

        fn version(&self) -> u32 {
            self.version
        }
    };
}

impl<'a, F, C, Args, Kind> CallAsync<'a, Args, Kind> for Recorded<F, C>
where
    F: CallAsync<'a, Args, Kind>,
    C: Codec<F::Value>,
{
    type Value = F::Value;
    type Outcome = F::Outcome;
    type Future = F::Future;

    fn call(&self, args: Args) -> F::Future {
        self.function.call(args)
    }

    call!(CallAsync);
}

impl<'a, F, C, Args, Kind> CallPlain<'a, Args, Kind> for Recorded<F, C>
where
    F: CallPlain<'a, Args, Kind>,
    C: Codec<F::Value>,
{
    type Value = F::Value;
    type Outcome = F::Outcome;

    fn call(&self, args: Args) -> F::Outcome {
        self.function.call(args)
    }

    call!(CallPlain);
}
