#!/usr/bin/env bash
# Sets up what is missing, and only that: `setup.sh build` what a build needs, `setup.sh test` the browsers as well.
# A prebuilt tool is fetched where one can be had, else compiled; system packages are installed only as root.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"

TRUNK_VERSION=0.21.14
GECKODRIVER_VERSION=0.37.1

say() { echo "setup: $*"; }
is_root() { [ "$(id -u)" = 0 ]; }
is_mac() { [ "$(uname -s)" = Darwin ]; }
reachable() { curl -so /dev/null --connect-timeout 5 --max-time 10 "$1" 2>/dev/null; }

node_and_cargo() {
  local node="https://nodejs.org" rust="https://rustup.rs"
  if is_mac; then node="brew install node"; fi
  command -v npm >/dev/null || die "Node.js (20 or newer) with npm is missing: $node"
  [ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ] || die "Node.js 20 or newer is needed, this is $(node -v): $node"
  command -v cc >/dev/null || die "a C compiler is missing: $(is_mac && echo xcode-select --install || echo sudo apt-get install build-essential)"
  cargo --version >/dev/null 2>&1 || die "Rust (cargo) is missing: $rust"
  local want have
  want=$(sed -n 's/^rust-version = "1\.\([0-9]*\).*/\1/p' Cargo.toml)
  have=$(rustc --version | sed 's/^rustc 1\.\([0-9]*\).*/\1/')
  [ "$have" -ge "$want" ] || die "Rust 1.$want or newer is needed, this is 1.$have: rustup update stable"
}

wasm_target() {
  has_wasm && return
  if command -v rustup >/dev/null && reachable "${RUSTUP_DIST_SERVER:-https://static.rust-lang.org}"; then
    say "adding the $WASM target to Rust (about 10 s)"
    rustup target add $WASM >/dev/null 2>&1 || true
    has_wasm && return
  fi
  # Debian's Rust is linked into rustup as `debian`, for env.sh to choose.
  if ! debian_has_wasm; then
    command -v apt-get >/dev/null || die "Rust's $WASM target is missing and cannot be downloaded here: rustup target add $WASM"
    say "rustup cannot download the $WASM target here, so Debian's own Rust has to do"
    is_root || die "run this, then the same command again: sudo $ROOT/scripts/debian-rust.sh"
    scripts/debian-rust.sh
  fi
  if command -v rustup >/dev/null; then rustup toolchain link debian /usr; fi
  . scripts/env.sh
  has_wasm || die "Rust's $WASM target is missing, and Debian's Rust in /usr was no help"
}
debian_has_wasm() { ls "$(/usr/bin/rustc --print target-libdir --target $WASM 2>/dev/null)"/libtest-*.rlib >/dev/null 2>&1; }

# is_at NAME VERSION: the tool on PATH is of that version (they print `name 1.2.3 ...`)
is_at() { [ "$("$1" --version 2>/dev/null | awk 'NR == 1 { print $2 }')" = "$2" ]; }

# tool NAME VERSION MINUTES URL CARGO-ARGS...: fetched as an archive, or else compiled. Both go to $CACHE/bin.
tool() {
  local name=$1 version=$2 minutes=$3 url=$4 tmp
  shift 4
  is_at "$name" "$version" && return
  mkdir -p "$CACHE/bin"
  tmp=$(mktemp -d)
  if [ -n "$url" ] && curl -sfL --connect-timeout 5 --max-time 120 "$url" 2>/dev/null | tar -xz -C "$tmp" 2>/dev/null; then
    find "$tmp" -type f -name "$name*" -perm -u+x -exec mv -f {} "$CACHE/bin/" \;
  fi
  rm -rf "$tmp"
  hash -r
  if is_at "$name" "$version"; then say "fetched $name $version"; return; fi
  say "compiling $name $version, as no prebuilt one can be fetched (about $minutes min on 2 cores)"
  # A tool that runs for a second needs no optimising: this takes a third off the wait.
  env -u CARGO_TARGET_DIR -u RUSTUP_TOOLCHAIN CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 cargo install --quiet --root "$CACHE" --force --version "$version" "$@"
  hash -r
  is_at "$name" "$version" || die "$name $version was compiled into $CACHE/bin but does not run"
}

build_tools() {
  local wasm_bindgen cpu os
  wasm_bindgen=$(awk '$0 == "name = \"wasm-bindgen\"" { getline; gsub(/[^0-9.]/, ""); print; exit }' Cargo.lock)
  cpu=$(uname -m | sed 's/^arm64$/aarch64/')
  os=$(is_mac && echo apple-darwin || echo unknown-linux-gnu)
  tool wasm-bindgen "$wasm_bindgen" 3 \
    "https://github.com/wasm-bindgen/wasm-bindgen/releases/download/$wasm_bindgen/wasm-bindgen-$wasm_bindgen-$cpu-$(echo $os | sed 's/linux-gnu/linux-musl/').tar.gz" \
    wasm-bindgen-cli
  tool trunk $TRUNK_VERSION 8 \
    "https://github.com/trunk-rs/trunk/releases/download/v$TRUNK_VERSION/trunk-$cpu-$os.tar.gz" \
    trunk --locked --no-default-features --features rustls
}

npm_packages() {
  cmp -s package-lock.json node_modules/.tabmq-lock && return
  say "installing the npm packages (about 15 s)"
  npm ci --silent --no-progress || die "npm could not install what package-lock.json lists"
  cp package-lock.json node_modules/.tabmq-lock
}

rust_components() {
  if cargo clippy --version >/dev/null 2>&1 && cargo fmt --version >/dev/null 2>&1; then return; fi
  say "adding clippy and rustfmt to Rust (about 10 s)"
  rustup component add clippy rustfmt >/dev/null 2>&1 || die "clippy and rustfmt are missing: rustup component add clippy rustfmt"
}

# Debian has every browser as a package. Ubuntu has Chromium and Firefox as snaps only, each with its driver in it.
browsers() {
  find_browsers
  local apt="" snap="" brew="" cask="" missing="" id="" cmd=""
  [ -r /etc/os-release ] && id=$(. /etc/os-release && echo "$ID")
  [ -n "$CHROMIUM" ] || { missing="$missing Chromium"; apt="$apt chromium"; snap="$snap chromium"; cask="$cask google-chrome"; }
  [ -n "$CHROMEDRIVER" ] || { missing="$missing chromedriver"; apt="$apt chromium-driver"; snap="$snap chromium"; cask="$cask chromedriver"; }
  [ -n "$FIREFOX" ] || { missing="$missing Firefox"; apt="$apt firefox-esr"; snap="$snap firefox"; cask="$cask firefox"; }
  if [ "$id" = ubuntu ]; then apt=""; fi
  if ! is_mac; then
    [ -n "$WEBKIT_DRIVER" ] && [ -n "$MINIBROWSER" ] || { missing="$missing WebKitWebDriver"; apt="$apt webkit2gtk-driver"; }
    command -v Xvfb >/dev/null || { missing="$missing Xvfb"; apt="$apt xvfb"; }
  fi
  if [ -n "$missing" ]; then
    if is_mac; then
      command -v brew >/dev/null || die "missing:$missing; install them, or Homebrew (https://brew.sh) for this script to do it"
      say "installing$missing with Homebrew (about 2 min)"
      brew install --cask $cask
    else
      command -v apt-get >/dev/null || die "missing:$missing; install them with this system's package manager"
      if [ -n "$apt" ]; then cmd="apt-get install -y --no-install-recommends$apt"; fi
      if [ "$id" = ubuntu ] && [ -n "$snap" ]; then cmd="${cmd:+$cmd && }snap install $(echo $snap | tr ' ' '\n' | sort -u | tr '\n' ' ')"; fi
      is_root || die "missing:$missing. Run this, then the same command again: sudo sh -c 'apt-get update && $cmd'"
      say "installing$missing (about 2 min)"
      export DEBIAN_FRONTEND=noninteractive
      apt-get update -qq && sh -c "$cmd" >/dev/null || die "missing:$missing; this failed: $cmd"
    fi
    find_browsers
    [ -n "$CHROMIUM" ] && [ -n "$CHROMEDRIVER" ] && [ -n "$FIREFOX" ] || die "still missing after the installation, of:$missing"
  fi
}

# Not named after the tool: `command -v` would find the function.
firefox_driver() {
  [ -z "$GECKODRIVER" ] || return 0
  local cpu os
  cpu=$(uname -m)
  case $(uname -s)-$cpu in
    Darwin-arm64) os=macos-aarch64 ;;
    Darwin-*) os=macos ;;
    Linux-aarch64) os=linux-aarch64 ;;
    *) os=linux64 ;;
  esac
  tool geckodriver $GECKODRIVER_VERSION 3 \
    "https://github.com/mozilla/geckodriver/releases/download/v$GECKODRIVER_VERSION/geckodriver-v$GECKODRIVER_VERSION-$os.tar.gz" \
    geckodriver --locked
}

case ${1-} in
  build | test) ;;
  *) die "usage: scripts/setup.sh build|test" ;;
esac
# What may end with a request to the user comes before what takes minutes.
node_and_cargo
wasm_target
if [ "$1" = test ]; then
  rust_components
  browsers
fi
npm_packages
build_tools
if [ "$1" = test ]; then firefox_driver; fi
