#!/bin/sh
# Runs the tests of size (tests/tests/promises/deep.rs) in full: a chain of ten million tasks, a million
# skipped by one failure, 100,000 tasks on one lock, on every backend. `cargo test` without optimisation
# runs a hundredth of each.
#
#   scripts/deep.sh               all, on every backend
#   scripts/deep.sh chain         those whose name begins so
set -eu
cd "$(dirname "$0")/.."

# Two at a time: some take a gigabyte.
cargo test --locked --release -p asyncflow-tests --test promises -- --test-threads=2 "deep::${1-}"
