#!/usr/bin/env bash
# Measures everything anew: the tables in BENCHMARKS.md, below its marker, and the chart of growth.
#
#   scripts/benchmarks.sh              all groups, some half an hour on two cores
#   scripts/benchmarks.sh --quick      a minute, to see that it works; do not keep what it writes
#
# Leave the machine alone meanwhile. With oneTBB, if g++ and libtbb-dev are installed.
set -euo pipefail
cd "$(dirname "$0")/.."

tables=$(mktemp)
trap 'rm -f "$tables"' EXIT
mkdir -p docs
cargo run --locked --release -p asyncflow-benchmarks --features asyncflow -- \
    --markdown "$tables" --svg docs/growth.svg "$@"

marker='<!-- Everything below is written by scripts/benchmarks.sh. -->'
page=$(cat BENCHMARKS.md)
processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
{
    printf '%s\n\n' "${page%%"$marker"*}$marker"
    printf 'Processor: %s, %s cores. Compiler: %s.\n\n' \
        "${processor:-unknown}" "$(nproc)" "$(rustc --version)"
    cat "$tables"
} >BENCHMARKS.md.new
mv BENCHMARKS.md.new BENCHMARKS.md
