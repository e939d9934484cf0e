#!/bin/sh
# Runs the tests of size (tests/tests/deep.rs, and those of groups) in full: a chain of ten million
# tasks, a million skipped by one failure, 100,000 tasks on one lock, on every backend. `cargo test`
# without optimisation runs a hundredth of each.
#
#   scripts/deep.sh               on every backend
#   scripts/deep.sh ::tokio       tests whose name has this in it
set -eu
cd "$(dirname "$0")/.."

# Two at a time: some take a gigabyte.
cargo test --locked --release -p asyncflow-tests --test deep -- --test-threads=2 "$@"
cargo test --locked --release -p asyncflow-tests --test groups -- --test-threads=2 large "$@"
