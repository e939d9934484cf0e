#!/usr/bin/env bash
# The long form of the tests that kill a process with a journal: 10,000 durable tasks, then as many
# durable elements of lists, 50 kills, on each backend.
set -euo pipefail
cd "$(dirname "$0")/.."
export ASYNCFLOW_KILLS="${1:-50}" ASYNCFLOW_ELEMENTS="${2:-10000}"
cargo test --locked --all-features -p asyncflow-tests --test promises -- \
    durable::killed:: --nocapture --test-threads=1
