// metactl-init's entry. Without libc: its start-up costs more than all the rest (launch.md, "What pays" 2). Hosted builds
// (other architectures, test:asan) come in by main.
#include "init.h"

#ifdef METACTL_FREESTANDING

// The compiler may call these for assignments and loops of its own.
extern "C" {

void* memcpy(void* to, const void* from, unsigned long size) {
  auto* target = static_cast<char*>(to);
  const auto* source = static_cast<const char*>(from);
  for (unsigned long i = 0; i < size; i++) target[i] = source[i];
  return to;
}

void* memset(void* to, int value, unsigned long size) {
  auto* target = static_cast<char*>(to);
  for (unsigned long i = 0; i < size; i++) target[i] = static_cast<char>(value);
  return to;
}

void* memmove(void* to, const void* from, unsigned long size) {
  auto* target = static_cast<char*>(to);
  const auto* source = static_cast<const char*>(from);
  if (target < source) {
    for (unsigned long i = 0; i < size; i++) target[i] = source[i];
  } else {
    for (unsigned long i = size; i > 0; i--) target[i - 1] = source[i - 1];
  }
  return to;
}

int memcmp(const void* left, const void* right, unsigned long size) {
  const auto* a = static_cast<const unsigned char*>(left);
  const auto* b = static_cast<const unsigned char*>(right);
  for (unsigned long i = 0; i < size; i++) {
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  }
  return 0;
}

[[noreturn]] void metactl_start() { metactl::run(); }
}

#if defined(__x86_64__)
__asm__(
    ".globl _start\n"
    "_start:\n"
    "  xor %ebp, %ebp\n"
    "  and $-16, %rsp\n"
    "  call metactl_start\n");
#elif defined(__aarch64__)
__asm__(
    ".globl _start\n"
    "_start:\n"
    "  mov x29, #0\n"
    "  mov x30, #0\n"
    "  b metactl_start\n");
#else
#error "no libc-free start-up for this architecture: scripts/build-init.sh must not ask for it"
#endif

#else

int main() { metactl::run(); }

#endif
