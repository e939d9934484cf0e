//! How it works, in one page. `ARCHITECTURE.md` in the repository has the rest, with the files.
//!
//! # From a function to a task
//!
//! [`Flow::add`](crate::Flow::add) tells from the type of a function whether it is async and what it
//! returns, and stores it behind a pointer, with its inputs. A handle exists only once its task was added, so
//! every dependency leads from an earlier task to a later one: the order of declaration is a topological
//! order, and there are no cycles to look for.
//!
//! At the first execution the graph is compiled into dense arrays: for each task the number of its upstreams,
//! the list of its downstreams, and a cell for its output. Later executions use these again.
//!
//! # From task to task
//!
//! ```text
//!              last upstream has ended          a driver polls it once
//!   pending ────────────────────────────▶ ready ──────────────────────▶ ended
//!                                           ▲         │ not ready          │
//!                                 its waker │         ▼                    │ one less pending
//!                                           ╰───── waiting                 ▼
//!                                                               its downstreams
//! ```
//!
//! Each run counts, for each task, the upstreams that have not ended. A task that ends takes one off each of
//! its downstreams; the thread that takes off the last makes that task ready. So a task starts as soon as it
//! can, there are no layers, and the work for a run grows with its tasks and dependencies, not with what runs
//! at the same time.
//!
//! A task that is skipped, cancelled or failed ends as well, and leaves the reason to its downstreams. So
//! skipping, conditions and clean-up are one mechanism, without recursion.
//!
//! # Who runs tasks
//!
//! A *driver* is a future that takes a ready task, polls it once, and goes on with what became ready by it.
//! The future of the execution is the first driver, so a small flow is over before another thread could be
//! woken. If there is work for longer than a wake-up takes, further drivers are spawned, at most as many as
//! the runtime has workers. They take tasks from each other.
//!
//! A task that waits for something costs no spawn: it has a place in its run, with a waker of its own, and is
//! polled again by any driver once it is woken. A driver gives its thread back after a millisecond, so other
//! futures of the program get their turns.
//!
//! A function that is not async is queued for a blocking thread of the runtime. A chain of them stays on its
//! thread for some milliseconds.
//!
//! # Outputs
//!
//! An output is written once, and lent by reference to the tasks downstream, whose futures keep the storage
//! of the run alive. Nothing is copied. The run owns the outputs at its end, in
//! [`Run`](crate::Run).
//!
//! # What a feature costs
//!
//! | a task with | is handled |
//! |---|---|
//! | none of the following | as above |
//! | locks, a time limit, retries, a fallback, or in a run with `max_concurrency` | by one async function around its attempts |
//! | [`each`](crate::each()) | as one task; its elements wait in places like tasks |
//! | observers or clocks in its run | with a call for each event |
//! | a record in a journal | with a look-up before its first attempt, and a record after its last |
//!
//! # What it adds to a program
//!
//! A request of four functions on Tokio, by `join!` and as a flow, in release mode, from nothing.
//! `scripts/size.sh` in the repository measures it again.
//!
//! | | crates | seconds of processor | size without symbols |
//! |---|---|---|---|
//! | Tokio alone | 8 | 16 | 0.59 MB |
//! | with asyncflow | 20 | 61 | 1.55 MB |
//! | with asyncflow, and the lines below | 20 | 54 | 1.33 MB |
//!
//! The engine is compiled once, in the crate `asyncflow-core`; what is compiled again when a program changes is
//! small. The compiler splits that crate into sixteen units, and copies into each what they share. Only the
//! program can tell it not to, in its `Cargo.toml`:
//!
//! ```toml
//! [profile.release.package.asyncflow-core]
//! codegen-units = 1
//! ```
//!
//! # The end
//!
//! Everything that works on a run holds a share in it. Whoever gives back the last one, closes it: no counter
//! is touched by every task, and a run whose runtime was shut down ends with an error, and does not hang.
//! Panics are caught around every poll, call and drop of the user's code, in one place.
//!
//! The engine knows a runtime only as a trait, and is compiled once, in its own crate, for all of them. The
//! protocols between threads are modelled with `loom`, and a million random flows are compared with a
//! model; `tests/README.md` maps each promise to its tests.
