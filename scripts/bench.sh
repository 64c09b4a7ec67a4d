#!/usr/bin/env bash
# Measures launches beside their rivals and prints a table; exit status 1 if a gate fails. Root, on a quiet machine.
#
# Usage: scripts/bench.sh [--json] [--runs N] [--only launches,daemons,apps,commands]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "$(id -u)" != 0 ]; then
  echo 'bench: sandboxes need root' >&2
  exit 77
fi

bash scripts/setup.sh build bench
bash scripts/build.sh --if-stale
# As the command line is: bundled. One level below the root, as `dist` is, for the addon to be found.
node_modules/.bin/esbuild test/bench/main.ts --bundle --platform=node --target=node20 --format=esm --external:netlink \
  --outfile=.cache/bench.mjs --log-level=warning
exec node .cache/bench.mjs "$@"
