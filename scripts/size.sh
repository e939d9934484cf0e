#!/usr/bin/env bash
# What asyncflow adds to a program: the crates that Cargo compiles, the processor time of a release build, and
# the size of the program without symbols. Builds a request by Tokio alone and the same as a flow, each in
# turn, and prints the least of several rounds.
#
#   scripts/size.sh [rounds]     3 rounds by default
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD rounds=${1:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CARGO_TERM_COLOR=never CARGO_PROFILE_RELEASE_STRIP=symbols TIMEFORMAT='%U %S'
unset CARGO_TARGET_DIR

program() { # NAME DEPENDENCY, and the source as input
    mkdir -p "$work/$1/src"
    cat >"$work/$1/src/main.rs"
    # The versions of this repository.
    cp Cargo.lock "$work/$1"
    cat >"$work/$1/Cargo.toml" <<EOF
[package]
name = "$1"
edition = "2024"
[dependencies]
tokio = { version = "1", features = ["rt-multi-thread", "macros", "time"] }
$2
EOF
    (cd "$work/$1" && { cargo fetch --quiet --offline 2>/dev/null || cargo fetch --quiet; })
}

program bare '' <<'EOF'
use std::time::Duration;
use tokio::time::sleep;

async fn user(id: u64) -> Result<String, std::io::Error> {
    sleep(Duration::from_millis(2)).await;
    Ok(format!("user {id}"))
}

async fn posts(user: &String) -> Vec<String> {
    sleep(Duration::from_millis(3)).await;
    vec![format!("{user}'s first post")]
}

async fn friends(user: &String) -> usize {
    sleep(Duration::from_millis(1)).await;
    user.len()
}

async fn page(user: &String, posts: &Vec<String>, friends: &usize) -> String {
    format!("{user}, {friends} friends: {}", posts.join(", "))
}

#[tokio::main]
async fn main() -> Result<(), std::io::Error> {
    let user = user(7).await?;
    let (posts, friends) = tokio::join!(posts(&user), friends(&user));
    println!("{}", page(&user, &posts, &friends).await);
    Ok(())
}
EOF

{
    echo 'use asyncflow::{TokioFlow, prelude::*};'
    sed '/^#\[tokio::main\]/,$d; s/user(id: u64)/user(id: \&u64)/' "$work/bare/src/main.rs"
    cat <<'EOF'
#[tokio::main]
async fn main() -> Result<(), FlowError> {
    let mut flow = TokioFlow::new();
    let id = flow.input::<u64>("id");
    let user = flow.add(user.inputs(id));
    let posts = flow.add(posts.inputs(user));
    let friends = flow.add(friends.inputs(user));
    let page = flow.add(page.inputs((user, posts, friends)));
    let run = flow.execute().given(id, 7).await?;
    println!("{}", run[page]);
    Ok(())
}
EOF
} | program flow "asyncflow = { path = \"$root\", features = [\"tokio\"] }"

for _ in $(seq "$rounds"); do
    for name in bare flow; do
        cd "$work/$name"
        rm -rf target
        { time cargo build --release --offline 2>build.log; } 2>time || { cat build.log; exit 1; }
        awk '{ print $1 + $2 }' time >>seconds
    done
done

[ "$("$work/bare/target/release/bare")" = "$("$work/flow/target/release/flow")" ]
printf '| %-12s | %6s | %21s | %9s |\n' program crates 'seconds of processor' bytes ------- -----: -----: -----:
for name in bare flow; do
    cd "$work/$name"
    printf '| %-12s | %6d | %21s | %9d |\n' "$name" "$(grep -c Compiling build.log)" "$(sort -n seconds | head -n 1)" \
        "$(wc -c <"target/release/$name")"
done
