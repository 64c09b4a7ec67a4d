#!/usr/bin/env bash
# Installs what the tests need, builds, and runs all tests. Root, because sandboxes are tested on the real kernel.
# In CI (CI=true) a skipped test is a failure.
#
# Usage: scripts/test.sh [vitest arguments]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "$(id -u)" != 0 ]; then
  echo 'test: the integration tests make namespaces, links and cgroups: run npm test as root (npm run test:unit needs no root)' >&2
  exit 77
fi

bash scripts/setup.sh build test
bash scripts/build.sh --if-stale
exec node node_modules/vitest/vitest.mjs run "$@" </dev/null
