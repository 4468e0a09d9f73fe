#!/bin/sh
# Take the pictures in docs/ again: leads from the command line, the page, and asset_graph, gate_check, funnel and
# score_distributions from a running `lead-assets dev`, with Debian's chromium.
# Run `lead-assets demo` once on an empty LEAD_ASSETS_HOME first: a run that changes nothing draws no pictures, and its
# checks have no examples.
#
#   docs/take_screenshots.sh [BASE_URL] [OUTPUT_FOLDER]      default: http://127.0.0.1:3000 and this script's folder
set -eu

base=${1:-http://127.0.0.1:3000}
base=${base%/}
out=${2:-$(dirname "$0")}
campaign=${CAMPAIGN:-sample_crm}
browser=${CHROMIUM:-chromium}
docs=$(dirname "$0")
bin=$docs/../.venv/bin
python=${PYTHON:-$bin/python} # with aiohttp, rich and Pillow, which the project needs anyway

fail() {
    echo "$1" >&2
    exit 1
}

ask() { # a GraphQL query
    curl -fsS -H 'Content-Type: application/json' -d "{\"query\": \"$1\"}" "$base/graphql"
}

command -v "$browser" >/dev/null || fail "$browser is not installed. Run apt-get install chromium, or set CHROMIUM."
command -v curl >/dev/null || fail "curl is not installed. Run apt-get install curl."
answer=$(ask '{shouldShowNux}') || fail "Dagster does not answer at $base. Start it with lead-assets dev."
case $answer in
*true*) fail "Dagster would show its welcome dialog. Put 'nux: {enabled: false}' into dagster.yaml and restart it." ;;
esac
mkdir -p "$out"
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
sandbox=
[ "$(id -u)" -ne 0 ] || sandbox=--no-sandbox # chromium's sandbox refuses root

picture() { # file, path of the page, size of the page, pixels of the picture for each pixel of the page
    # The page's clock is virtual: 20 s of it pass at once whenever nothing is being loaded.
    # shellcheck disable=SC2086  # $sandbox is one word or none
    timeout 120 "$browser" --headless $sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars \
        --user-data-dir="$profile" --window-size="$3" --force-device-scale-factor="$4" \
        --virtual-time-budget=20000 --screenshot="$profile/$1" "$base$2" >"$profile/log" 2>&1 || true
    [ -s "$profile/$1" ] || fail "$browser could not take a picture of $base$2: $(tail -n 1 "$profile/log")"
    cp "$profile/$1" "$out/$1"
    echo "$out/$1: $(wc -c <"$out/$1") bytes"
}

CHROMIUM=$browser "$python" "$docs/terminal_picture.py" "$out/leads.png" "$bin/lead-assets" leads "$campaign" --limit 5
echo "$out/leads.png: $(wc -c <"$out/leads.png") bytes"

page=${PAGE:-http://127.0.0.1:8000}
CHROMIUM=$browser "$python" "$docs/page_picture.py" "$page/c/$campaign" "$out/page.png" --size 1100x900 ||
    fail "The page does not answer at $page. Start it with lead-assets dev, or set PAGE."
echo "$out/page.png: $(wc -c <"$out/page.png") bytes"

picture asset_graph.png '/locations/lead_assets/asset-groups/leads/lineage' 1920,900 1.25
picture gate_check.png '/assets/crawled_documents?view=checks&checkDetail=author_karma' 1600,900 1

opened() { # file, asset, which of the pictures in its metadata
    page="$base/assets/$2?view=partitions&partition=$campaign"
    CHROMIUM=$browser "$python" "$docs/page_picture.py" "$page" "$out/$1" --click "a=[Show Markdown]#$3"
    echo "$out/$1: $(wc -c <"$out/$1") bytes"
}

opened funnel.png leads 0
opened score_distributions.png ranked_candidates 1
