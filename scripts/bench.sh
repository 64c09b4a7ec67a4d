#!/usr/bin/env bash
# Measures launches beside their rivals and prints a table; exit status 1 if a gate fails. Root, on a quiet machine.
#
# Usage: scripts/bench.sh [--json] [--runs N] [--only launches,daemons,restart,supervision,crashes,apps,firewalls,network,commands,logs]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "$(id -u)" != 0 ]; then
  echo 'bench: sandboxes need root' >&2
  exit 77
fi

# Makes every start of Node read a list of certificates, 20 ms of which no command here makes use: metactl would look better
# beside `node -e 0` than it is.
unset NODE_EXTRA_CA_CERTS

bash scripts/setup.sh build bench
bash scripts/build.sh --if-stale
# As the command line is: bundled. One level below the root, as `dist` is, for the addon to be found.
node_modules/.bin/esbuild test/bench/main.ts --bundle --platform=node --target=node20 --format=esm --external:netlink \
  --outfile=.cache/bench.mjs --log-level=warning

# Not below /tmp, which is another file system inside a sandbox.
scratch=$(mktemp -d -p /srv)
chmod 755 "$scratch"
# /run is a tmpfs on every machine; records renamed on a disk would be measured otherwise.
mkdir "$scratch/run"
mount -t tmpfs -o mode=755,size=64m tmpfs "$scratch/run"
clean_up() {
  node bin/metactl.cjs --root "$scratch" gc >/dev/null || true
  umount -l "$scratch/run" 2>/dev/null || true
  ip link del mbench0 2>/dev/null || true
  ip link del mbench1 2>/dev/null || true
  ip netns del mbench-plain 2>/dev/null || true
  rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

status=0
node .cache/bench.mjs --scratch "$scratch" "$@" || status=$?
exit "$status"
