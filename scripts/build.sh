#!/usr/bin/env bash
# Builds the native part (when its sources are newer) and the bundle of the command line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash scripts/setup.sh build

native_is_stale() {
  local built
  for built in build/Release/metactl.node build/Release/metactl-init; do
    [ -e "$built" ] || return 0
    [ -z "$(find native binding.gyp scripts/build-native.sh -newer "$built" -print -quit)" ] || return 0
  done
  return 1
}

if native_is_stale; then bash scripts/build-native.sh; fi
node scripts/bundle.mjs "$@"
