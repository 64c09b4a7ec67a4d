#!/usr/bin/env bash
# Builds metactl-init into the given directory: static and without libc where start.cc has an entry for the
# architecture, static with libc elsewhere. Usage: build-init.sh OUTPUT [more compiler flags]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

output=$1
shift
compiler=${CXX:-g++}
sources=(native/{start,init,credentials,daemon,first_pid,guard,join,loopback,mount,path,plan,report,root,spare,steps,wait_loop}.cc)
flags=(-std=c++17 -Wall -Wextra -Werror -Os -static -fno-exceptions -fno-rtti)
case "$($compiler -dumpmachine)" in
  x86_64-* | aarch64-*)
    # No relocations and no constructors are needed, so no libc start-up; protections that live in libc cannot exist here.
    # No RELRO for want of a GOT; the segments stay W^X (test/integration/native/binaries.test.ts).
    flags+=(-DMETACTL_FREESTANDING -nostdlib -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables
      -fno-pie -no-pie -fno-threadsafe-statics -fno-tree-loop-distribute-patterns -ffunction-sections -fdata-sections
      -Wl,--gc-sections -Wl,-z,noseparate-code -Wl,-z,norelro -Wl,-z,noexecstack -Wl,--build-id=none -s)
    ;;
esac
temporary=$output.$$.tmp
trap 'rm -f "$temporary"' EXIT
"$compiler" "${flags[@]}" "$@" -o "$temporary" "${sources[@]}"
mv "$temporary" "$output"
trap - EXIT
