#!/usr/bin/env bash
# tabmq beside IndexedDB by hand and SQLite, in one run: scripts/bench-browser.sh [arguments of the harness's run.mjs]
# For example: scripts/bench-browser.sh --idb-backend sqlite
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"
harness=../shared/bench/peers
[ -f "$harness/run.mjs" ] || { echo "SKIPPED: the harness ($harness) is not part of this repository"; exit 0; }
[ -d dist/sdk ] || scripts/build.sh
page=$(mktemp -d)
work=$(mktemp -d)
trap 'rm -rf "$page" "$work"' EXIT
cp benches/browser/* "$page"
cp -r dist/sdk "$page/sdk"
# A copy, because the harness installs its peers beside itself.
cp -r "$harness/." "$work"
cd "$work"
npm ci --no-audit --no-fund >/dev/null
node run.mjs --contender "tabmq=$page" --only 'tabmq|idb-chunk-relaxed@rpc|idb-record-relaxed$|sqlite-sahpool$' \
  --skip sweep,opfs,messaging,cold,sizes --out "$work/results.json" "$@"
