//! Observers that consist of other observers: pointers, lists and tuples.

use std::fmt;
use std::sync::Arc;

use crate::graph::structure::Structure;
use crate::lock::Permits;
use crate::task::status::TaskStatus;
use crate::tuples::each_tuple;
use crate::unwind;

use super::{ElementRef, InnerRun, Observer, TaskRef};

/// Calls a macro with the given tokens and the signature of every method, so that no implementation
/// below can miss one.
macro_rules! with_every_method {
    ($macro:ident!($($given:tt)*)) => {
        $macro! {
            $($given)*;
            run_started(flow: &Structure),
            task_ready(task: TaskRef<'_>),
            task_waiting(task: TaskRef<'_>, permits: &Permits),
            task_queued(task: TaskRef<'_>),
            task_started(task: TaskRef<'_>, attempt: u32),
            task_entered(task: TaskRef<'_>, attempt: u32),
            task_left(task: TaskRef<'_>, attempt: u32),
            attempt_failed(task: TaskRef<'_>, attempt: u32, why: &dyn fmt::Display),
            element_started(element: ElementRef<'_>, attempt: u32),
            element_failed(element: ElementRef<'_>, attempt: u32, why: &dyn fmt::Display),
            element_ended(element: ElementRef<'_>, status: TaskStatus),
            task_noted(task: TaskRef<'_>, note: &str),
            task_progress(task: TaskRef<'_>, done: u64, total: u64),
            task_ended(task: TaskRef<'_>, status: TaskStatus),
            inner_run_started(run: &InnerRun, flow: &Structure),
            inner_run_ended(run: &InnerRun),
            run_ended(),
        }
    };
}

/// Implements `Observer` for a pointer to an observer.
macro_rules! pointer {
    ($pointer:ty; $($method:ident($($arg:ident: $type:ty),*),)*) => {
        impl<O: Observer + ?Sized> Observer for $pointer {
            $(fn $method(&self, $($arg: $type),*) {
                (**self).$method($($arg),*);
            })*
        }
    };
}

with_every_method!(pointer!(Arc<O>));
with_every_method!(pointer!(Box<O>));
with_every_method!(pointer!(&'static O));

/// Implements `Observer` for a list of observers. A panic in one does not stop the others.
macro_rules! list {
    ($list:ty; $($method:ident($($arg:ident: $type:ty),*),)*) => {
        impl<O: Observer> Observer for $list {
            $(fn $method(&self, $($arg: $type),*) {
                for each in self.iter() {
                    unwind::contain(|| each.$method($($arg),*));
                }
            })*
        }
    };
}

with_every_method!(list!(Vec<O>));
with_every_method!(list!(Option<O>));

macro_rules! tuple {
    ($($name:ident $index:tt),*) => {
        with_every_method!(tuple_of!($($name),*; [$($index)*]));
    };
}

macro_rules! tuple_of {
    ($($name:ident),*; $indexes:tt; $($method:ident $args:tt,)*) => {
        impl<$($name: Observer),*> Observer for ($($name,)*) {
            $(tuple_method!($method $args $indexes);)*
        }
    };
}

/// A macro of its own, because each method repeats over the elements of the tuple.
macro_rules! tuple_method {
    ($method:ident ($($arg:ident: $type:ty),*) $indexes:tt) => {
        fn $method(&self, $($arg: $type),*) {
            tuple_calls!(self $method ($($arg),*) $indexes);
        }
    };
}

macro_rules! tuple_calls {
    ($self:ident $method:ident $args:tt [$($index:tt)*]) => {
        $(unwind::contain(|| $self.$index.$method $args);)*
    };
}

each_tuple!(tuple);
