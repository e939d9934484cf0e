//! The reasons to refuse an execution before anything starts.

use std::fmt;
use std::sync::Arc;

use crate::output::BoxError;
use crate::runtime::Unavailable;

/// A mistake that was found before anything started.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    Runtime(Unavailable),
    ForeignHandle {
        method: &'static str,
    },
    TooManyPermits {
        task: String,
        wanted: usize,
        capacity: usize,
    },
    NoPermits {
        task: String,
    },
    ZeroRate {
        task: String,
        limit: String,
    },
    ZeroConcurrency,
    NoTimer {
        why: String,
    },
    Spent {
        task: String,
    },
    NotGiven {
        task: String,
    },
    GivenTwice {
        task: String,
    },
    MovedTwice {
        output: String,
        by: String,
        also: String,
    },
    MovedValue {
        value: String,
        by: String,
    },
    MovedTarget {
        output: String,
        by: String,
    },
    MovedIntoRetry {
        output: String,
        by: String,
    },
    MovedIntoFallback {
        output: String,
        by: String,
    },
    RetryWhenWithoutRetry {
        task: String,
    },
    OnceWithRetry {
        task: String,
    },
    OnceInRetriedFlow {
        task: String,
        once: String,
    },
    OnceForEach {
        task: String,
    },
    AlwaysNeedsOptional {
        task: String,
        input: String,
    },
    /// What records the outputs of the run could not be opened, or is in use.
    Recorder(Arc<BoxError>),
    NotGivenInside {
        flow: String,
        input: String,
    },
    TaskEnded {
        task: String,
    },
    PermitsInside {
        task: String,
        holder: String,
        held: String,
        taker: String,
        needed: String,
    },
    NestedPermits {
        task: String,
        held: String,
        taker: String,
        needed: String,
    },
}

impl Refusal {
    pub(crate) fn recorder(error: BoxError) -> Self {
        Self::Recorder(Arc::new(error))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runtime(unavailable) => unavailable.fmt(f),
            Self::ForeignHandle { method } => write!(
                f,
                "`{method}` was given a handle of another flow: use a handle that this flow's `add` returned"
            ),
            Self::TooManyPermits {
                task,
                wanted,
                capacity,
            } => write!(
                f,
                "task `{task}` needs {wanted} permits of a semaphore that has {capacity}: \
                 it could never start; make the semaphore larger or ask for fewer"
            ),
            Self::NoPermits { task } => write!(
                f,
                "task `{task}` asks for 0 permits: ask for at least one or leave the semaphore out"
            ),
            Self::ZeroRate { task, limit } => write!(
                f,
                "task `{task}` has a rate limit of {limit}: it could never start; \
                 allow at least one start per period"
            ),
            Self::ZeroConcurrency => f.write_str(
                "`max_concurrency(0)` would let no task start: allow at least one at a time",
            ),
            Self::NoTimer { why } => write!(
                f,
                "the deadline of the run cannot be kept, because the runtime has no timer: {why}"
            ),
            Self::Spent { task } => write!(
                f,
                "task `{task}` was made with `once` and has been executed before: \
                 give it an `Fn` to execute the flow again"
            ),
            Self::NotGiven { task } => write!(
                f,
                "input `{task}` was not given: supply it with `.given(task, value)`"
            ),
            Self::GivenTwice { task } => write!(
                f,
                "task `{task}` was given two values: call `.given` once for each task"
            ),
            Self::MovedTwice { output, by, also } => write!(
                f,
                "the output of task `{output}` is taken by value by `{by}`, but `{also}` needs it too: \
                 let both borrow it, or only one of them use it"
            ),
            Self::MovedValue { value, by } => write!(
                f,
                "task `{by}` takes the value `{value}` with `.moved()`, but the flow keeps it for all runs: \
                 let `{by}` borrow it"
            ),
            Self::MovedTarget { output, by } => write!(
                f,
                "the output of task `{output}` is taken by value by `{by}`, so the run cannot hand it out: \
                 let `{by}` borrow it, or leave `{output}` out of the targets"
            ),
            Self::MovedIntoRetry { output, by } => write!(
                f,
                "task `{by}` takes the output of `{output}` by value and has a retry policy: \
                 a second attempt would find it gone; let it borrow the output"
            ),
            Self::MovedIntoFallback { output, by } => write!(
                f,
                "task `{by}` takes the output of `{output}` by value and has a fallback: \
                 after a failure that output would be gone; let it borrow the output"
            ),
            Self::RetryWhenWithoutRetry { task } => write!(
                f,
                "task `{task}` has `retry_when` without `retry`, so nothing is attempted again: \
                 add `.retry(policy)` or leave `retry_when` out"
            ),
            Self::OnceForEach { task } => write!(
                f,
                "task `{task}` calls a function for each element of a list, but it was made with `once` and \
                 can be called only once: give it an `Fn`"
            ),
            Self::OnceWithRetry { task } => write!(
                f,
                "task `{task}` was made with `once` and has a retry policy: \
                 its function cannot be called a second time; give it an `Fn`"
            ),
            Self::OnceInRetriedFlow { task, once } => write!(
                f,
                "task `{task}` is a flow with a retry policy, and `{once}` in it was made with `once`: \
                 it cannot run a second time; give it an `Fn`"
            ),
            Self::AlwaysNeedsOptional { task, input } => write!(
                f,
                "task `{task}` always runs, even if `{input}` has no output: \
                 take it as `{input}.optional()`, which arrives as `Option<&T>`"
            ),
            Self::Recorder(error) => error.fmt(f),
            Self::NotGivenInside { flow, input } => write!(
                f,
                "input `{input}` of the flow that is task `{flow}` cannot be given: let a function \
                 execute that flow with `.given(task, value)`, and add the function instead"
            ),
            Self::TaskEnded { task } => write!(
                f,
                "the run belongs to task `{task}`, which has ended: await what `TaskContext::execute` \
                 returns before the task's function returns"
            ),
            Self::PermitsInside {
                task,
                holder,
                held,
                taker,
                needed,
            } => write!(
                f,
                "task `{task}` executes a flow in which `{taker}` takes {needed}, while `{holder}` holds \
                 {held}: they could wait for each other forever; take the lock off `{holder}` and give it \
                 to the tasks of the flow that need it"
            ),
            Self::NestedPermits {
                task,
                held,
                taker,
                needed,
            } => write!(
                f,
                "task `{task}` is a flow that holds {held} while `{taker}` in it takes {needed}: \
                 they could wait for each other forever; take the lock off the flow and give it to \
                 the tasks in it that need it"
            ),
        }
    }
}
