//! Passes a large buffer through a pipeline without copying it, and repeats only what has changed in
//! a second run.
//!
//! ```text
//!  source ──▶ decode ──▶ filter ──▶ checksum ──╮
//!                                   settings ──┴▶ publish
//! ```
//!
//! ```text
//! cargo run --example pipeline --features async-std
//! ```
//!
//! Look at the addresses of the buffer, which stay the same, and at the report of the second run, in
//! which most tasks did not run.

mod backend;

use asyncflow::FlowError;
use asyncflow::prelude::*;
use backend::{AppFlow, block_on};

const SIZE: usize = 64 << 20;

/// The address of the buffer. It changes if the buffer is copied.
fn address(buffer: &[u8]) -> String {
    format!("{:p}", buffer.as_ptr())
}

fn source() -> Vec<u8> {
    let buffer = vec![7; SIZE];
    println!("  source:   {} MiB at {}", SIZE >> 20, address(&buffer));
    buffer
}

/// Takes the buffer by value, changes it in place and returns it.
fn decode(mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.iter_mut().for_each(|byte| *byte ^= 0x20);
    println!("  decode:   in place at {}", address(&buffer));
    buffer
}

fn filter(mut buffer: Vec<u8>) -> Vec<u8> {
    buffer[..SIZE / 2].fill(0);
    println!("  filter:   in place at {}", address(&buffer));
    buffer
}

/// Borrows the buffer.
fn checksum(buffer: &[u8]) -> u64 {
    println!("  checksum: borrows what is at {}", address(buffer));
    buffer.iter().map(|byte| u64::from(*byte)).sum()
}

fn publish(checksum: &u64, title: &String) -> String {
    format!("{title}: {checksum}")
}

fn main() -> Result<(), FlowError> {
    let mut flow = AppFlow::new();
    let source = flow.add(source);
    let decoded = flow.add(decode.inputs(source.moved()));
    let filtered = flow.add(filter.inputs(decoded.moved()));
    let sum_up = |buffer: &Vec<u8>| checksum(buffer);
    let checksum = flow.add(sum_up.inputs(filtered).named("checksum"));
    let title = flow.input::<String>("title");
    let published = flow.add(publish.inputs((checksum, title)));

    block_on(async {
        println!("the first run:");
        // Only these outputs are kept: the buffer is freed as soon as it is summed up.
        let first = flow
            .execute()
            .given(title, "first".into())
            .only((published, checksum));
        let first = first.await?;
        println!("  {}", first[published]);

        println!("\nwith another title:");
        // A task whose output is given does not run, nor do tasks that only it needs.
        let sum = first[checksum];
        let second = flow
            .execute()
            .given(title, "second".into())
            .given(checksum, sum);
        let second = second.only(published).await?;
        println!("  {}\n\n{}", second[published], second.report());
        Ok(())
    })
}
