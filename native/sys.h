// Raw system calls: no libc, no errno, no cancellation points. Used by metactl-init, and by the addon between clone and
// exec, where the memory is Node's and nothing of libc may run. Each returns >= 0, or -errno.
#pragma once

#include <asm/unistd.h>
#include <linux/types.h>

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <cerrno>
#include <unistd.h>
#endif

namespace metactl {
namespace sys {

inline long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
#else
  long result = ::syscall(number, a, b, c, d, e, f);
  return result == -1 ? -errno : result;
#endif
}

template <typename T>
inline long arg(T* pointer) {
  return reinterpret_cast<long>(pointer);
}

[[noreturn]] inline void exit_group(int status) {
  for (;;) call(__NR_exit_group, status);
}

inline long write(int fd, const void* data, unsigned long size) { return call(__NR_write, fd, arg(data), static_cast<long>(size)); }
inline long read(int fd, void* data, unsigned long size) { return call(__NR_read, fd, arg(data), static_cast<long>(size)); }
inline long close(int fd) { return call(__NR_close, fd); }
inline long openat(int dir, const char* path, int flags, unsigned mode = 0) {
  return call(__NR_openat, dir, arg(path), flags, static_cast<long>(mode));
}
inline long dup3(int from, int to, int flags) { return call(__NR_dup3, from, to, flags); }
inline long close_range(unsigned first, unsigned last, unsigned flags) {
#ifdef __NR_close_range
  return call(__NR_close_range, static_cast<long>(first), static_cast<long>(last), static_cast<long>(flags));
#else
  return call(436, static_cast<long>(first), static_cast<long>(last), static_cast<long>(flags));
#endif
}
inline long prctl(long option, long a = 0, long b = 0, long c = 0, long d = 0) {
  return call(__NR_prctl, option, a, b, c, d);
}
inline long fchdir(int fd) { return call(__NR_fchdir, fd); }

}  // namespace sys
}  // namespace metactl
