//! One node of a graph: a task or a gate.

use crate::handle::TaskId;
use crate::lock::Permits;
use crate::task::config::{Condition, Config};

use super::Declared;
use super::body::{AnyBody, Body, Facts, InputUse};

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) body: Body,
    /// Boxed, because most tasks have none.
    pub(crate) config: Option<Box<Config>>,
}

impl Node {
    pub(crate) fn body(&self) -> Option<&dyn AnyBody> {
        match &self.body {
            Body::Async(body) => Some(body.as_any_body()),
            Body::Plain(body) => Some(body.as_any_body()),
            Body::Each(body) => Some(body.as_any_body()),
            Body::Input(_) | Body::Value(_) | Body::Gate(_) => None,
        }
    }

    pub(crate) fn has_function(&self) -> bool {
        matches!(self.body, Body::Async(_) | Body::Plain(_) | Body::Each(_))
    }

    /// Whether nothing was asked of the task, except perhaps a name.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        match &self.config {
            None => true,
            Some(config) => config.only_named,
        }
    }

    /// Whether its function returns a future.
    pub(crate) fn is_async(&self) -> bool {
        match &self.body {
            Body::Async(_) => true,
            Body::Each(body) => body.is_async(),
            _ => false,
        }
    }

    pub(crate) fn is_gate(&self) -> bool {
        matches!(self.body, Body::Gate(_))
    }

    /// What was declared of the flow that this task is, if it is one.
    pub(crate) fn nested(&self) -> Option<&Declared> {
        self.body()?.nested()
    }

    pub(crate) fn always(&self) -> bool {
        self.config.as_ref().is_some_and(|config| config.always)
    }

    pub(crate) fn priority(&self) -> i32 {
        self.config.as_ref().map_or(0, |config| config.priority)
    }

    pub(crate) fn retries(&self) -> bool {
        let config = self.config.as_ref();
        config.is_some_and(|config| config.retry.is_some())
    }

    pub(crate) fn has_fallback(&self) -> bool {
        let config = self.config.as_ref();
        config.is_some_and(|config| config.fallback.is_some())
    }

    pub(crate) fn allows_failure(&self) -> bool {
        let config = self.config.as_ref();
        config.is_some_and(|config| config.allow_failure)
    }

    pub(crate) fn permits(&self) -> &[Permits] {
        self.config.as_ref().map_or(&[], |config| &config.permits)
    }

    pub(crate) fn rates(&self) -> &[Permits] {
        self.config.as_ref().map_or(&[], |config| &config.rates)
    }

    pub(crate) fn conditions(&self) -> &[Condition] {
        self.config
            .as_ref()
            .map_or(&[], |config| &config.conditions)
    }

    pub(super) fn facts(&self) -> Facts {
        match &self.body {
            Body::Async(body) => body.facts(),
            Body::Plain(body) => body.facts(),
            Body::Each(body) => body.facts(),
            Body::Input(input) => Facts {
                column: input.column,
                ..Facts::default()
            },
            Body::Value(value) => value.facts(),
            Body::Gate(_) => Facts::default(),
        }
    }

    /// Calls `visit` with every task whose output this one uses.
    pub(crate) fn visit_inputs(&self, visit: &mut dyn FnMut(TaskId, InputUse)) {
        if let Some(body) = self.body() {
            body.visit_inputs(visit);
        }
        for condition in self.conditions() {
            visit(condition.task, InputUse::Borrowed);
        }
    }
}
