#!/usr/bin/env bash
# The page's few libraries and its sample data, copied from npm packages next to it: the page loads nothing from elsewhere.
# A hook of Trunk (Trunk.toml), which says where to.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"

out=${TRUNK_STAGING_DIR:-dist}
mkdir -p "$out/vendor/lit/directives" "$out/vendor/lit-html/directives" "$out/vendor/lit-element" "$out/vendor/reactive-element" \
  "$out/vendor/uplot" "$out/data"
# As the import map in www/index.html names them. Each file as its package has it.
cp node_modules/lit/{index,directive,async-directive}.js "$out/vendor/lit/"
cp node_modules/lit/directives/{repeat,live,ref}.js "$out/vendor/lit/directives/"
cp node_modules/lit-html/{lit-html,directive,directive-helpers,async-directive,is-server}.js "$out/vendor/lit-html/"
cp node_modules/lit-html/directives/{repeat,live,ref}.js "$out/vendor/lit-html/directives/"
cp node_modules/lit-element/lit-element.js "$out/vendor/lit-element/"
cp node_modules/@lit/reactive-element/{reactive-element,css-tag}.js "$out/vendor/reactive-element/"
cp node_modules/uplot/dist/uPlot.min.css "$out/vendor/uplot/"
# Its ES module is shipped with all its spaces.
node_modules/.bin/esbuild node_modules/uplot/dist/uPlot.esm.js --minify --log-level=warning --outfile="$out/vendor/uplot/uplot.js"
cp node_modules/papaparse/papaparse.min.js "$out/vendor/"
cp node_modules/fflate/esm/browser.js "$out/vendor/fflate.js"
cp node_modules/vega-datasets/data/{flights-20k.json,weather.csv,stocks.csv,penguins.json} "$out/data/"
# The editor: a dozen packages that import each other by name become one file. Only the view that has it loads it.
node_modules/.bin/esbuild scripts/codemirror.mjs --bundle --format=esm --minify --log-level=warning --outfile="$out/vendor/codemirror.js"
