#!/usr/bin/env bash
# Tests jobs on a real engine: brings the engine's program into a folder of its own, and kills flows,
# workers and engines. Whatever it starts is ended with it. `scripts/restate.sh costs` measures jobs instead.
# With ASYNCFLOW_JOB_SECONDS=200, the job that is longer than the limits of the engine takes that long.
set -euo pipefail
cd "$(dirname "$0")/.."

engine=target/restate
if [ ! -x "$engine/node_modules/@restatedev/restate-server-linux-x64/bin/restate-server" ]; then
    npm install --prefix "$engine" --no-save --no-audit --no-fund --loglevel=error \
        @restatedev/restate-server-linux-x64@1.7.12
fi
ASYNCFLOW_RESTATE_SERVER="$PWD/$engine/node_modules/@restatedev/restate-server-linux-x64/bin/restate-server"
export ASYNCFLOW_RESTATE_SERVER

if [ "${1:-}" = costs ]; then
    exec cargo run --locked --release -p asyncflow-restate --example job_costs -- "${@:2}"
fi

cargo test --locked -p asyncflow-restate --all-features --no-run --test engine
# A session of its own, which is ended as a whole: engines, workers and flows of tests that fail, too.
setsid timeout --kill-after=10 "${1:-240}" \
    cargo test --locked -p asyncflow-restate --all-features --test engine -- --test-threads=3 &
tests=$!
trap 'kill -TERM -- -"$tests" 2>/dev/null || true' EXIT
wait "$tests"
