#!/usr/bin/env bash
# Static analysis of native/: cppcheck and clang-tidy, both without a finding.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash scripts/setup.sh lint

# constStatement: cppcheck does not know variables that are bound to registers.
cppcheck --quiet --std=c++17 --language=c++ --enable=warning,performance,portability --inline-suppr --suppress=constStatement:native/clone.cc \
  --suppress=missingInclude --error-exitcode=1 native

prefix=$(node -p "require('node:path').dirname(require('node:path').dirname(require('node:fs').realpathSync(process.execPath)))")
napi=$(node -p "require('node-addon-api').include_dir")
checks='-*,bugprone-*,clang-analyzer-*,performance-*,cppcoreguidelines-slicing,misc-unused-*'
# Paths and lengths, uids and gids go side by side all through this code; system calls give pointers as numbers.
checks+=',-bugprone-easily-swappable-parameters,-bugprone-implicit-widening-of-multiplication-result'
checks+=',-bugprone-assignment-in-if-condition,-bugprone-reserved-identifier,-performance-no-int-to-ptr'
printf '%s\n' native/*.cc | xargs -P "$(nproc)" -n 3 sh -c '
  flags=$1 checks=$2
  shift 2
  exec clang-tidy --quiet --warnings-as-errors="*" --checks="$checks" "$@" -- $flags
' clang-tidy "-std=c++17 -D_GNU_SOURCE -DNAPI_VERSION=8 -DNAPI_CPP_EXCEPTIONS -isystem $prefix/include/node -isystem $napi" \
  "$checks" 2> >(grep -vE 'warnings? generated' >&2)
