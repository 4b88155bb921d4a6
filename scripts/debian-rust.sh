#!/usr/bin/env bash
# For a Debian on which rustup cannot download the wasm32 target: Debian's own Rust, plus the wasm32 standard
# library, which Debian does not package, built once from Debian's copy of its source. Needs root.
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "run this as root: sudo $0" >&2; exit 1; }

echo "setup: installing Debian's Rust (about 2 min)"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-cache show rustc-web >/dev/null 2>&1 ||
  { echo "tabmq: this system has no rustc-web package; the wasm32 target has to come from rustup: rustup target add wasm32-unknown-unknown" >&2; exit 1; }
apt-get install -y -qq --no-install-recommends \
  rustc-web cargo-web rust-web-src rust-web-llvm lld-22 rust-web-clippy rustfmt-web >/dev/null

lib=$(/usr/bin/rustc --print target-libdir --target wasm32-unknown-unknown)
ls "$lib"/libtest-*.rlib >/dev/null 2>&1 && exit 0

echo "setup: building the wasm32 standard library (about 1 min)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
printf '[package]\nname = "only_std"\nversion = "0.0.0"\n[lib]\npath = "lib.rs"\n' >Cargo.toml
: >lib.rs
# -Zbuild-std is a nightly flag; it is allowed here only, so that the project's own builds stay plain.
RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=target /usr/bin/cargo build --quiet --release \
  -Zbuild-std=std,panic_abort,test -Zbuild-std-features= --target wasm32-unknown-unknown
mkdir -p "$lib"
cd target/wasm32-unknown-unknown/release/deps
rm -f libonly_std*
# libtest last: env.sh takes it for the sign that the library is whole.
for file in $(ls ./*.rlib ./*.rmeta | grep -v libtest) ./libtest-*; do cp "$file" "$lib/"; done
