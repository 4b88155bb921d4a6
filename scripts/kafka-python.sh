#!/usr/bin/env bash
# Runs a script with kafka-python, in a virtual environment that is made when it is first needed.
# Prints the one word SKIPPED, and succeeds, where there is no Python or no PyPI.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$ROOT"

venv=${CARGO_TARGET_DIR:-target}/kafka-python
if [ ! -e "$venv/ready" ]; then
  log=$(mktemp)
  if ! { python3 -m venv "$venv" && timeout 120 "$venv/bin/pip" install --quiet kafka-python==3.0.12 && touch "$venv/ready"; } >"$log" 2>&1; then
    echo "kafka-python is not to be had: $(tail -n 1 "$log")" >&2
    echo SKIPPED
    exit 0
  fi
fi
exec "$venv/bin/python" "$@"
