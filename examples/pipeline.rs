//! A pipeline of big buffers, built like a makefile: nothing is copied on the way, and a second
//! run repeats only what has changed.
//!
//! ```text
//!  source ──▶ decode ──▶ filter ──▶ checksum ──╮
//!                                   settings ──┴▶ publish
//! ```
//!
//! ```text
//! cargo run --example pipeline --features async-std
//! ```

mod backend;

use asyncflow::FlowError;
use asyncflow::prelude::*;
use backend::{AppFlow, block_on};

const SIZE: usize = 64 << 20;

/// Where a buffer lies: it stays the same as long as it is not copied.
fn address(buffer: &[u8]) -> String {
    format!("{:p}", buffer.as_ptr())
}

fn source() -> Vec<u8> {
    let buffer = vec![7; SIZE];
    println!("  source:   {} MiB at {}", SIZE >> 20, address(&buffer));
    buffer
}

/// Takes the buffer by value, since nobody else needs it, and passes it on.
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

/// Only looks at the buffer.
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
        println!("everything is new:");
        // Only the targets are kept: the buffer is freed as soon as it is summed up.
        let first = flow
            .execute()
            .given(title, "first".into())
            .only((published, checksum));
        let first = first.await?;
        println!("  {}", first[published]);

        println!("\nonly the title has changed:");
        // What is given is not made again, nor what only that needs.
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
