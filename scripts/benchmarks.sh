#!/usr/bin/env bash
# Measures everything again. Writes the tables in benchmarks/RESULTS.md, below its marker, and the charts
# request.svg, task.svg and growth.svg in docs.
#
#   scripts/benchmarks.sh              all groups: about half an hour on two cores
#   scripts/benchmarks.sh --quick      a minute, to test the script; discard the results
#
# Run nothing else on the machine meanwhile. oneTBB takes part if g++ and libtbb-dev are installed.
set -euo pipefail
cd "$(dirname "$0")/.."

tables=$(mktemp)
trap 'rm -f "$tables"' EXIT
mkdir -p docs
cargo run --locked --release -p asyncflow-benchmarks --features asyncflow -- \
    --markdown "$tables" --charts docs "$@"

marker='<!-- Everything below is written by scripts/benchmarks.sh. -->'
page=$(cat benchmarks/RESULTS.md)
processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
{
    printf '%s\n\n' "${page%%"$marker"*}$marker"
    printf 'Processor: %s, %s cores. Compiler: %s.\n\n' \
        "${processor:-unknown}" "$(nproc)" "$(rustc --version)"
    cat "$tables"
} >benchmarks/RESULTS.md.new
mv benchmarks/RESULTS.md.new benchmarks/RESULTS.md
