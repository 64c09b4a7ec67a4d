#!/usr/bin/env bash
# Makes ahead what the system tests make first if it isn't there: a Debian of packages, and a Java. CI does it beside other
# work. Root; what it needs is installed by setup.sh test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# One level below the root, where the checkout is looked for.
node_modules/.bin/esbuild test/system/guest/prepare.ts --bundle --platform=node --target=node20 --format=esm \
  --outfile=.cache/prepare-system.mjs --log-level=warning
exec node .cache/prepare-system.mjs
