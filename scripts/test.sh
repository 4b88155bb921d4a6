#!/usr/bin/env bash
# Every test, cheapest first; or only the steps named: scripts/test.sh native wasm
# The steps: fmt clippy native bugs build js wasm browser
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"

has_web_tests() { ls tests/web_*.rs >/dev/null 2>&1; }

step_fmt() { cargo fmt --all -- --check; }
step_clippy() {
  cargo clippy --workspace --all-targets -- -D warnings
  # src/web exists on wasm32 only.
  if has_web_tests; then cargo clippy --target $WASM --lib --test 'web_*' -- -D warnings
  else cargo clippy --target $WASM --lib -- -D warnings; fi
}
step_native() { cargo test --workspace; }
# The tests of the tests: each known bug, put back, is found by the simulator.
step_bugs() { cargo test --profile sim --features mutations --test known_bugs_are_found; }
step_build() { scripts/build.sh; }
# After the build: the types of the wasm glue are in dist/sdk/.
step_js() { node_modules/.bin/tsc --project tsconfig.json; }
step_wasm() {
  has_web_tests || { echo "no tests/web_*.rs"; return; }
  scripts/test-wasm.sh chromium
  scripts/test-wasm.sh firefox
}
step_browser() {
  node tests/browser/kafkajs/build.mjs
  # One file at a time: each starts browsers and clusters, and timings matter to some.
  node --test --test-concurrency=1 --test-reporter=spec tests/browser/*.test.mjs
}

for step in ${*:-fmt clippy native bugs build js wasm browser}; do
  echo
  echo "== $step"
  begun=$SECONDS
  "step_$step"
  echo "== $step: passed in $((SECONDS - begun)) s"
done
