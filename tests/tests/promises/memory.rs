//! Outputs are passed on without a copy: a process in which a buffer of 1 GiB goes through ten tasks
//! never has more than 1.1 GiB in memory.

use std::hint::black_box;

use asyncflow::prelude::*;
use asyncflow_tests::on_every_backend_in_child;

const GIB: usize = 1 << 30;

/// The most memory that this process has had in use, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kibibytes.trim().parse::<usize>().unwrap() * 1024
}

#[track_caller]
fn assert_one_buffer() {
    let peak = peak();
    assert!(
        (GIB..GIB / 10 * 11).contains(&peak),
        "the process had {peak} bytes in memory"
    );
}

fn big() -> Vec<u8> {
    vec![1; GIB]
}

/// Small, but as far from another as a copy would show.
fn first_and_last(buffer: &[u8]) -> (u8, u8) {
    (buffer[0], buffer[GIB - 1])
}

on_every_backend_in_child! {
    async fn by_value_through_ten_tasks<R>() {
        let mut flow = Flow::<R>::new();
        let mut last = flow.add(big);
        for step in 0..10_usize {
            let change = move |mut buffer: Vec<u8>| {
                buffer[step] += 1;
                buffer[GIB - 1] += 1;
                buffer
            };
            last = match step % 2 {
                0 => flow.add(change.inputs(last.moved())),
                _ => flow.add((move |buffer| std::future::ready(change(buffer))).inputs(last.moved())),
            };
        }
        let mut run = flow.execute().await.unwrap();
        assert_eq!(first_and_last(&run[last]), (2, 11));
        let buffer = run.take(last).unwrap();
        assert_eq!(buffer[..11], [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]);
        assert_one_buffer();
    }

    async fn by_reference_to_ten_tasks<R>() {
        let mut flow = Flow::<R>::new();
        let buffer = flow.add(big);
        let readers: Vec<Task<usize>> = (0..10)
            .map(|step| match step % 2 {
                0 => flow.add((|buffer: &Vec<u8>| buffer.as_ptr() as usize).inputs(buffer)),
                _ => flow.add((async |buffer: &Vec<u8>| buffer.as_ptr() as usize).inputs(buffer)),
            })
            .collect();
        let run = flow.execute().await.unwrap();
        for reader in readers {
            assert_eq!(run[reader], run[buffer].as_ptr() as usize);
        }
        assert_eq!(first_and_last(black_box(&run[buffer])), (1, 1));
        assert_one_buffer();
    }
}
