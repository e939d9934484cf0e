//! Running: one execution of a graph, from its roots to its end.
//!
//! How it begins:
//!
//! * [`validate`]: mistakes in what was asked of one execution; [`selection`]: the part for some
//!   targets;
//! * [`allocate`]: room for what its nodes come to;
//! * [`execution`]: what all threads of a run share; [`future`]: the run as its caller sees it;
//! * [`current`]: the run of which a thread is polling or calling a task.
//!
//! How a task passes through:
//!
//! * [`pending`]: when it becomes ready; [`ready_queues`], [`ready_set`]: where it lies until a
//!   driver takes it;
//! * [`drive`], [`driver_count`]: the futures that work through ready tasks, and how many;
//! * [`scheduler`]: the tasks that wait, and who polls them when they are woken; [`places`]: where they lie;
//! * [`step`]: what to do with a ready task;
//! * [`blocking_call`]: the call of a plain function; [`blocking_threads`],
//!   [`blocking_thread_count`]: the threads for them, and how many;
//! * [`supervise`]: several attempts; [`permits`]: locks and semaphores; [`locked`]: tasks that need one;
//!   [`concurrency_limit`]: `max_concurrency`; [`time_limit`]: one attempt within its time limit;
//!   [`attempt`]: what its function knows of it;
//! * [`each`]: the elements of a task that is many;
//! * [`settle`]: what its end makes ready; [`time_slice`]: when others get a turn;
//! * [`observers`]: clocks and observers.
//!
//! How it ends:
//!
//! * [`stop`], [`stop_list`]: whether tasks may start, and which to wake when they may not;
//! * [`guard`]: what keeps a run alive; [`finish`]: its result.
//!
//! [`backend`] is the runtime, without its type.

pub(crate) mod allocate;
pub(crate) mod attempt;
pub(crate) mod backend;
pub(crate) mod blocking_call;
pub(crate) mod blocking_thread_count;
pub(crate) mod blocking_threads;
pub(crate) mod concurrency_limit;
mod conditions;
pub(crate) mod current;
pub(crate) mod deadline;
pub(crate) mod drive;
pub(crate) mod driver_count;
pub(crate) mod each;
pub(crate) mod execution;
pub(crate) mod finish;
pub(crate) mod future;
pub(crate) mod guard;
mod locked;
pub(crate) mod observers;
pub(crate) mod pending;
pub(crate) mod permits;
pub(crate) mod places;
mod rate_limit;
pub(crate) mod ready_queues;
pub(crate) mod ready_set;
pub(crate) mod recording;
pub(crate) mod scheduler;
pub(crate) mod selection;
pub(crate) mod settle;
pub(crate) mod step;
pub(crate) mod stop;
pub(crate) mod stop_handle;
pub(crate) mod stop_list;
pub(crate) mod supervise;
pub(crate) mod time_limit;
pub(crate) mod time_slice;
pub(crate) mod validate;
