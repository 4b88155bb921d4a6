#!/usr/bin/env bash
# The tests in tests/web_*.rs, inside a browser: scripts/test-wasm.sh chromium|firefox [cargo test arguments]
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"
find_browsers
browser=${1?usage: scripts/test-wasm.sh chromium|firefox [cargo test arguments]}
shift

# Where the browsers are differs from system to system, so the runner's settings are written anew each time.
settings=${CARGO_TARGET_DIR:-target}/webdriver.json
mkdir -p "$(dirname "$settings")"
cat >"$settings" <<END
{
  "goog:chromeOptions": {
    "binary": "$CHROMIUM",
    "args": ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync"]
  },
  "moz:firefoxOptions": { "binary": "$FIREFOX", "args": ["-headless"] }
}
END
WASM_BINDGEN_TEST_WEBDRIVER_JSON=$(cd "$(dirname "$settings")" && pwd)/webdriver.json
export WASM_BINDGEN_TEST_WEBDRIVER_JSON
# Seconds for a whole file of tests; the runner's own limit of 20 is short on a busy machine.
export WASM_BINDGEN_TEST_TIMEOUT=${WASM_BINDGEN_TEST_TIMEOUT:-180}

# The runner takes the first driver it hears of, so it may hear of one only.
case $browser in
  chromium) unset GECKODRIVER ;;
  firefox) unset CHROMEDRIVER ;;
  *) die "chromium or firefox, not $browser" ;;
esac
echo "in $browser:"
if [ $# = 0 ]; then set -- --test 'web_*'; fi
exec cargo test --target $WASM "$@"
