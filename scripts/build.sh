#!/usr/bin/env bash
# The static site in dist/, with the package in dist/sdk/. Trunk lays out the page; its hook builds the package.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"

trunk build --release
echo "built dist/ (the page) and dist/sdk/ (the package: $(gzip -9c dist/sdk/tabmq_bg.wasm | wc -c | tr -d ' ') bytes of wasm gzipped)"
