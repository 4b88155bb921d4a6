#!/usr/bin/env bash
# The page's few libraries and its sample data, copied from npm packages next to it: the page loads nothing from elsewhere.
# A hook of Trunk (Trunk.toml), which says where to.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"

out=${TRUNK_STAGING_DIR:-dist}
mkdir -p "$out/vendor/lit-html/directives" "$out/data"
# With their types, for tsc.
cp node_modules/lit-html/{lit-html,directive,directive-helpers}.{js,d.ts} "$out/vendor/lit-html/"
cp node_modules/lit-html/directives/repeat.{js,d.ts} "$out/vendor/lit-html/directives/"
cp node_modules/papaparse/papaparse.min.js "$out/vendor/"
cp node_modules/fflate/esm/browser.js "$out/vendor/fflate.js"
cp node_modules/fflate/esm/browser.d.ts "$out/vendor/fflate.d.ts"
cp node_modules/vega-datasets/data/flights-20k.json "$out/data/"
