#!/bin/sh
# Runs the model test (tests/tests/promises/model.rs) on a million random flows, in release mode, a quarter
# of them on each backend, from a seed that differs every time.
#
#   scripts/model.sh              a million
#   scripts/model.sh 40000        so many
#   scripts/model.sh 40000 17     so many, from this seed on
#
# A case that fails is printed at once, with its seed, then in its smallest form; so is one that hangs.
set -eu
cd "$(dirname "$0")/.."

runs=${1:-1000000}
seed=${2:-$(date +%s)000000}

echo "$((runs / 4)) flows on each backend, from seed $seed on"
ASYNCFLOW_MODEL_RUNS=$((runs / 4)) ASYNCFLOW_MODEL_SEED=$seed \
    cargo test --locked --release -p asyncflow-tests --test promises -- --nocapture model::
