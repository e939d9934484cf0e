#!/usr/bin/env bash
# Checks that a release can be made. It publishes nothing: `publish = false` in Cargo.toml is the owner's to
# remove, and `cargo publish --workspace` the owner's to run.
#
#   scripts/release.sh           all
#   scripts/release.sh --short   what each package contains; no other tool is needed, and nothing is built
set -euo pipefail
cd "$(dirname "$0")/.."

# In the order in which they depend on each other.
crates='asyncflow-core asyncflow-macros asyncflow-tokio asyncflow-async-std asyncflow-smol asyncflow-view
    asyncflow-durable asyncflow-restate asyncflow'

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

mkdir -p target
printf '== contents of the packages\n'
for crate in $crates; do
    files=$(cargo package --locked --allow-dirty --quiet --list -p "$crate" 2>target/list.log) || {
        cat target/list.log
        exit 1
    }
    for file in Cargo.toml README.md LICENSE-MIT LICENSE-APACHE src/lib.rs; do
        grep -qx "$file" <<<"$files" || fail "$crate: the package has no $file"
    done
    strange=$(grep -Ev '^(\.cargo_vcs_info\.json|Cargo\.(toml|toml\.orig|lock)|README\.md|CHANGELOG\.md|LICENSE-(MIT|APACHE)|(src|schema|examples|docs)/.*)$' <<<"$files") &&
        fail "$crate: the package should not have:" "$strange"
done
grep -q '^## \[Unreleased\]' CHANGELOG.md || fail 'CHANGELOG.md has no section [Unreleased]'
[ "${1-}" != --short ] || exit 0

printf '\n== packages build from what they contain\n'
# In a copy that may be published: cargo finds packages among those just made, but not if they are private.
copy=target/release-copy
rm -rf "$copy" && mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- -cf - | tar -xf - -C "$copy"
sed -i 's/^publish = false$/publish = true/' "$copy/Cargo.toml"
# Unquoted: a list of options.
(cd "$copy" && CARGO_TARGET_DIR=../release cargo package --locked --allow-dirty --no-metadata $(printf -- '-p %s ' $crates))

printf '\n== semantic versioning\n'
tag=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true)
if [ -z "$tag" ]; then
    echo 'NOTICE: there is no tag v* yet, so there is no version to compare with'
elif cargo semver-checks --version >/dev/null 2>&1; then
    for crate in $crates; do
        # A macro has no types that could be compared.
        [ "$crate" = asyncflow-macros ] || cargo semver-checks --baseline-rev "$tag" -p "$crate"
    done
else
    fail 'cargo-semver-checks is missing: cargo install --locked cargo-semver-checks'
fi

printf '\n== licences, bans and sources of dependencies\n'
cargo deny --version >/dev/null 2>&1 || fail 'cargo-deny is missing: cargo install --locked cargo-deny'
cargo deny --all-features check licenses bans sources

printf '\n== advisories\n'
if timeout 60 cargo deny --all-features fetch db >target/advisories.log 2>&1; then
    cargo deny --all-features check --disable-fetch advisories
else
    tail -n 3 target/advisories.log
    echo 'NOTICE: the database of advisories could not be reached, so they were not checked'
fi
