#!/usr/bin/env bash
# Fuzzes what reads bytes that came from elsewhere: scripts/fuzz.sh [minutes each, default 10] [targets, default all]
# The targets are in fuzz/targets. What is found goes to fuzz/found/<target>, where tests/fuzz_targets_hold.rs runs it again.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"
minutes=${1:-10}
[ $# = 0 ] || shift
if [ $# = 0 ]; then set -- batches frames import recovery; fi
if ! cargo fuzz --version >/dev/null 2>&1; then
  echo "fuzz: installing cargo-fuzz (about 2 min)"
  cargo install --quiet --locked cargo-fuzz || { echo "SKIPPED: cargo-fuzz can't be installed here"; exit 0; }
fi
# Coverage needs unstable flags of the compiler, which a stable one takes like this. No sanitizer: there is no unsafe code
# of ours, and without one it runs several times as fast.
export RUSTC_BOOTSTRAP=1
cargo fuzz build --sanitizer none >/dev/null || { echo "SKIPPED: the targets don't build here (is there a C++ compiler?)"; exit 0; }
seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT
TABMQ_FUZZ_SEEDS=$seeds cargo test --quiet --test fuzz_targets_hold seeds_are_written >/dev/null
for target in "$@"; do
  echo "== $target, $minutes min"
  mkdir -p "fuzz/corpus/$target" "fuzz/found/$target"
  cargo fuzz run --sanitizer none "$target" "fuzz/corpus/$target" "$seeds/$target" "fuzz/found/$target" -- \
    -artifact_prefix="fuzz/found/$target/" -max_total_time=$((minutes * 60)) -timeout=20 -rss_limit_mb=2048 \
    -max_len=4096 -print_final_stats=1
done
