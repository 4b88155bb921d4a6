# Sourced by every script, never run: where the tools are and which Rust compiles.
# Works with bash 3.2, the one macOS ships.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/tabmq
WASM=wasm32-unknown-unknown
# The tools this project installs come first: wasm-bindgen must be of exactly the version in Cargo.lock.
export PATH="$CACHE/bin:$PATH"

die() { echo "tabmq: $*" >&2; exit 1; }

# has_wasm [toolchain]: does that Rust (default: the active one) have a standard library for wasm32?
has_wasm() {
  local dir
  dir=$(RUSTUP_TOOLCHAIN=${1:-${RUSTUP_TOOLCHAIN-}} rustc --print target-libdir --target $WASM 2>/dev/null) || return 1
  ls "$dir"/libtest-*.rlib >/dev/null 2>&1
}

# Where rustup could not get the wasm32 target, setup.sh has linked Debian's Rust as `debian`. It then compiles
# everything, native code too: two compilers in one target folder rebuild each other's work.
if [ -z "${RUSTUP_TOOLCHAIN-}" ]; then
  unset RUSTUP_TOOLCHAIN
  if ! has_wasm && has_wasm debian; then export RUSTUP_TOOLCHAIN=debian; fi
fi

# first_of PATH-OR-NAME...: the first that can be run
first_of() {
  local candidate
  for candidate in "$@"; do
    if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1; then command -v "$candidate"; return; fi
  done
  return 1
}

# The browsers and their drivers; empty when there is none. Each can be given in the environment.
find_browsers() {
  local mac=/Applications lib
  CHROMIUM=$(first_of "${CHROMIUM-}" chromium chromium-browser google-chrome google-chrome-stable \
    "$mac/Google Chrome.app/Contents/MacOS/Google Chrome" "$mac/Chromium.app/Contents/MacOS/Chromium") || CHROMIUM=
  CHROMEDRIVER=$(first_of "${CHROMEDRIVER-}" chromedriver chromium.chromedriver) || CHROMEDRIVER=
  FIREFOX=$(first_of "${FIREFOX-}" firefox-esr firefox "$mac/Firefox.app/Contents/MacOS/firefox") || FIREFOX=
  GECKODRIVER=$(first_of "${GECKODRIVER-}" geckodriver) || GECKODRIVER=
  WEBKIT_DRIVER=$(first_of "${WEBKIT_DRIVER-}" WebKitWebDriver) || WEBKIT_DRIVER=
  MINIBROWSER=${MINIBROWSER-}
  for lib in /usr/lib/*/webkit2gtk-4.[01] /usr/libexec/webkit2gtk-4.[01]; do
    if [ -z "$MINIBROWSER" ] && [ -x "$lib/MiniBrowser" ]; then MINIBROWSER=$lib/MiniBrowser; fi
  done
  # For wasm-bindgen's test runner.
  export CHROMEDRIVER GECKODRIVER
}
