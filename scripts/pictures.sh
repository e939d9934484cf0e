#!/usr/bin/env bash
# Takes screenshots of the pages of asyncflow-view, and of the pictures of the README and the guide, in a
# headless Chromium: at the sizes of a phone, a tablet and a desktop, light and dark. Fails if a page
# writes to the console, or if its script did not run.
#
# Look at the screenshots in target/pictures.
#
#     scripts/pictures.sh          # all sizes and schemes
#     scripts/pictures.sh --short  # a few, for .ci/run
set -euo pipefail
cd "$(dirname "$0")/.."

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
    echo 'NOTICE: Chromium is not installed, so the pages were not tested in a browser'
    exit 0
}
pictures=target/pictures
rm -rf "$pictures" && mkdir -p "$pictures"
RUST_BACKTRACE=0 cargo run --locked --quiet -p asyncflow-view --example gallery -- "$pictures" 2>"$pictures/gallery.log" || {
    cat "$pictures/gallery.log"
    exit 1
}
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT

# show PAGE OPTION...
show() {
    local page=$1
    shift
    timeout 60 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage \
        --enable-logging=stderr --v=0 --user-data-dir="$profile" --hide-scrollbars \
        --virtual-time-budget=4000 "$@" "file://$PWD/$pictures/$page.html" 2>"$pictures/log" || {
        cat "$pictures/log" >&2
        exit 1
    }
    # The console includes script errors and violations of the content security policy.
    if grep -F ':CONSOLE' "$pictures/log" >&2; then
        echo "the page $page wrote to the console" >&2
        exit 1
    fi
}

# picture PAGE WIDTH HEIGHT light|dark
picture() {
    local scheme=1
    [ "$4" = dark ] && scheme=0
    show "$1" --window-size="$2,$3" --blink-settings=preferredColorScheme=$scheme \
        --screenshot="$PWD/$pictures/$1-$2-$4.png" >/dev/null
    [ -s "$pictures/$1-$2-$4.png" ] || {
        echo "no screenshot was taken of $1"
        exit 1
    }
}

# expect PAGE TEXT: after its script ran, the page has the text, and hostile names made no elements.
expect() {
    show "$1" --window-size=1024,768 --dump-dom >"$pictures/dom"
    if ! grep -qF -- "$2" "$pictures/dom" || grep -qE '<img|onerror=[^"]*>[^<]*<script' "$pictures/dom"; then
        echo "the page $1 does not have the text, or has unexpected elements: $2"
        exit 1
    fi
}

# The pictures in `docs`, as a README shows them.
{
    echo '<!DOCTYPE html><meta name="color-scheme" content="light dark">'
    for file in docs/*.svg; do
        printf '<p><img style="max-width:100%%" alt="%s" src="file://%s">' "$file" "$PWD/$file"
    done
} >"$pictures/docs.html"

expect few '1–11 of 11'
expect hostile '1–26 of 26'
expect many "of 10 001"
expect untimed 'was not timed'
expect inside '60 elements, up to 8 at once'
if [ "${1-}" = --short ]; then
    picture few 360 740 dark
    picture forty 1024 768 light
    picture many 1920 1080 light
    picture inside 360 740 light
    picture docs 1024 1400 dark
else
    for page in few forty many failing hostile inside wide untimed nothing docs; do
        for scheme in light dark; do
            picture $page 360 740 $scheme
            picture $page 1024 768 $scheme
            picture $page 1920 1080 $scheme
        done
    done
fi
echo "see $pictures"
