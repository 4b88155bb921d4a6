#!/usr/bin/env bash
# The package: www/sdk/ as it is, next to the wasm and its glue. A hook of Trunk (Trunk.toml), which says where to;
# run by hand it refreshes dist/sdk/.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"

out=${TRUNK_STAGING_DIR:-dist}/sdk
target=${CARGO_TARGET_DIR:-target}
cargo build --release --target $WASM --lib
mkdir -p "$out"
# Function names are a third of the file and only serve a debugger.
wasm-bindgen --target web --remove-name-section --remove-producers-section --out-dir "$out" --out-name tabmq "$target/$WASM/release/tabmq.wasm"
cp -R www/sdk/. "$out/"
