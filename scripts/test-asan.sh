#!/usr/bin/env bash
# Builds the sources of metactl-init as a hosted program with libc, under AddressSanitizer and UBSan, and runs the native
# tests with it. A finding aborts the program, which the tests see as a sandbox that died.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash scripts/setup.sh build
bash scripts/build-native.sh
mkdir -p build/asan
"${CXX:-g++}" -std=c++17 -Wall -Wextra -Werror -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
  -fno-sanitize-recover=all -o build/asan/metactl-init \
  native/{start,init,credentials,daemon,first_pid,guard,join,loopback,mount,path,plan,report,root,steps,wait_loop}.cc \
  test/fixtures/native/asan_options.cc

node node_modules/vitest/vitest.mjs run --config vitest.asan.config.ts "$@"
