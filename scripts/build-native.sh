#!/usr/bin/env bash
# Builds the addon and metactl-init into build/Release. Uses the running node's own headers where it brings them, so
# that no network is needed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

prefix=$(node -p "require('node:path').dirname(require('node:path').dirname(require('node:fs').realpathSync(process.execPath)))")
nodedir=()
if [ -e "$prefix/include/node/node_api.h" ]; then nodedir=("--nodedir=$prefix"); fi

node node_modules/node-gyp/bin/node-gyp.js configure build --jobs max --silent "${nodedir[@]}" "$@"
