#!/usr/bin/env bash
# Prints the path of a Node 24 binary, from the `node` package of npm; kept in .cache/, which git ignores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VERSION=24
directory=$PWD/.cache/node$VERSION
binary=$directory/node_modules/node/bin/node

if ! "$binary" --version 2>/dev/null | grep -q "^v$VERSION\."; then
  rm -rf "$directory"
  mkdir -p "$directory"
  echo '{ "private": true }' >"$directory/package.json"
  npm install --prefix "$directory" --no-audit --no-fund --loglevel=error "node@$VERSION" </dev/null >&2
fi
"$binary" --version >&2
echo "$binary"
