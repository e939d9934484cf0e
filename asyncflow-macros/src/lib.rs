//! The macros of [asyncflow](https://docs.rs/asyncflow): [`#[task]`](macro@task),
//! [`#[flow]`](macro@flow) and [`#[derive(Output)]`](macro@Output).
//!
//! Use them through the crate `asyncflow`, which re-exports them. The code that they expand to refers to
//! `::asyncflow`.
//!
//! # Layout
//!
//! * `args`, `function` and `params` parse and check the three parts of
//!   `#[task(args)] fn function(params)`; their errors say what to write instead;
//! * `call` builds from these parts how the task calls its function and what is configured;
//! * `expand` is `#[task]` inside of a function body, `flow` is `#[flow]` on an impl block;
//! * `derive` is `#[derive(Output)]`;
//! * `errors` combines several errors into one, `text` has what messages are made of.
//!
//! The docs of the macros are in `docs`, in files of their own: their examples import `asyncflow`, which runs
//! them as tests.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod args;
mod call;
mod derive;
mod errors;
mod expand;
mod flow;
mod function;
mod params;
mod text;

use proc_macro::TokenStream;
use syn::{DeriveInput, Error, parse_macro_input};

#[doc = include_str!("docs/task.md")]
#[proc_macro_attribute]
pub fn task(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(args.into(), item.into()).into()
}

#[doc = include_str!("docs/flow.md")]
#[proc_macro_attribute]
pub fn flow(args: TokenStream, item: TokenStream) -> TokenStream {
    flow::expand(args.into(), item.into()).into()
}

#[doc = include_str!("docs/output.md")]
#[proc_macro_derive(Output)]
pub fn derive_output(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive::expand(input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}
