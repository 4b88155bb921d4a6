#!/usr/bin/env bash
# The static site in dist/, with the package in dist/sdk/. Trunk lays out the page; its hook builds the package.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"

trunk build --release
# The page's modules without their comments and spaces, file by file: no bundle, and their names stay.
find dist/js -name '*.js' -print0 | xargs -0 node_modules/.bin/esbuild --minify-whitespace --allow-overwrite --outdir=dist/js --outbase=dist/js --log-level=warning
echo "built dist/ (the page) and dist/sdk/ (the package: $(gzip -9c dist/sdk/tabmq_bg.wasm | wc -c | tr -d ' ') bytes of wasm gzipped)"
