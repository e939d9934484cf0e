#!/usr/bin/env bash
# Changes the engine in small ways, and shows which changes no test sees: `mutants.py` says how.
#
#   scripts/mutants.sh 100        a hundred mutants, from a seed that differs every time
#   scripts/mutants.sh 100 17     a hundred, from this seed
#   scripts/mutants.sh all        all of them
#   scripts/mutants.sh NAME ...   those whose names contain one of these texts
#
# Fails if a mutant is missed that `tests/mutants.md` does not name.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cargo-mutants >/dev/null || cargo install --locked cargo-mutants
command -v python3 >/dev/null || { apt-get update -q && apt-get install -qy --no-install-recommends python3; }
exec python3 scripts/mutants.py "$@"
