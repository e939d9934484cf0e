#!/usr/bin/env bash
# Builds and runs every example on every backend. Prints the output of an example that fails.
set -euo pipefail
cd "$(dirname "$0")/.."

for feature in tokio smol async-std; do
    cargo build --locked --quiet --examples --features "$feature,progress,tracing,conformance,async-lock,durable,restate"
    for path in examples/*.rs examples/*/main.rs; do
        case "$path" in
            */main.rs) name=$(basename "$(dirname "$path")") ;;
            *) name=$(basename "$path" .rs) ;;
        esac
        # An example that needs another backend was not built.
        [ -x "target/debug/examples/$name" ] || continue
        printf -- '-- %s on %s\n' "$name" "$feature"
        timeout 120 "target/debug/examples/$name" >"target/$name.out" 2>&1 </dev/null || {
            cat "target/$name.out"
            exit 1
        }
    done
    rm -rf target/debug/examples
done
