#!/usr/bin/env bash
# The simulator at its fastest, for the longest runs: scripts/hunt.sh --first 1 --seeds 100000
#
# The profile `hunt`, another allocator, this machine's own instructions; and, where there is an llvm-profdata of the
# compiler's LLVM (rustup component llvm-tools, or Debian's llvm-NN), built twice: once to see with some seeds what it does
# most, and again knowing that. Together 1.7 times as fast as the profile alone. What is simulated is the same: any build
# prints the same digest for the same seeds.
. "$(dirname "$0")/env.sh"
set -euo pipefail
cd "$ROOT"

rustc=$(rustc -vV)
host=$(sed -n 's/^host: //p' <<<"$rustc")
llvm=$(sed -n 's/^LLVM version: \([0-9]*\).*/\1/p' <<<"$rustc")
sysroot=$(rustc --print sysroot)
profdata=$(first_of "$sysroot/lib/rustlib/$host/bin/llvm-profdata" "llvm-profdata-$llvm" \
  "/usr/lib/llvm-$llvm/bin/llvm-profdata") || profdata=

# build FOLDER FLAGS: each of the two has a folder of its own, so that neither rebuilds the other.
build() {
  CARGO_TARGET_DIR="$ROOT/target/$1" RUSTFLAGS="-Ctarget-cpu=native $2" \
    cargo build --quiet --profile hunt --bin sim --features hunt
}

flags=
if [ -n "$profdata" ]; then
  seen="$ROOT/target/hunt-seen"
  known=$(git rev-parse HEAD 2>/dev/null || echo unknown)
  if [ "$(cat "$seen/of" 2>/dev/null)" != "$known" ]; then
    rm -rf "$seen"
    # A compiler without the profiler's runtime can't: then it is one build, and slower.
    if build hunt-looking "-Cprofile-generate=$seen"; then
      # Not the seeds that are run afterwards.
      target/hunt-looking/hunt/sim --first 1000001 --seeds 24 --threads 1
      "$profdata" merge -o "$seen/merged.profdata" "$seen"
      echo "$known" >"$seen/of"
    fi
  fi
  if [ -f "$seen/merged.profdata" ]; then flags="-Cprofile-use=$seen/merged.profdata"; fi
fi
build hunt "$flags"
exec target/hunt/hunt/sim "$@"
