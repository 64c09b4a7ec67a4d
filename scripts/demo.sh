#!/usr/bin/env bash
# Installs and builds what is missing, then runs a small web app as metactl runs apps; see demo.mjs. Root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "$(id -u)" != 0 ]; then
  echo 'demo: a sandbox needs root: run npm run demo as root' >&2
  exit 77
fi

bash scripts/setup.sh build demo
bash scripts/build.sh --if-stale
exec node scripts/demo.mjs
