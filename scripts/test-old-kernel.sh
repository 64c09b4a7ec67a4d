#!/usr/bin/env bash
# Runs the integration tests, or those that are named, as on RHEL 8's kernel: every system call and flag that is newer
# than Linux 4.18 is refused (test/fixtures/native/linux-4-18.c).
#
# Left out: what tests stages, and the next runs that begin in them, since they need Linux 5.12 and are not made before; and
# the test that runs this.
#
# Usage: scripts/test-old-kernel.sh [vitest arguments]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "$(id -u)" != 0 ]; then
  echo 'test-old-kernel: the integration tests make namespaces, links and cgroups: run this as root' >&2
  exit 77
fi

bash scripts/setup.sh build test
bash scripts/build.sh --if-stale
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
gcc -O1 -Wall -Wextra -Werror -o "$directory/linux-4-18" test/fixtures/native/linux-4-18.c
"$directory/linux-4-18" node node_modules/vitest/vitest.mjs run --project integration \
  --exclude test/integration/native/stages.test.ts --exclude test/integration/native/next-run.test.ts \
  --exclude test/integration/old-kernel.test.ts "$@" </dev/null
