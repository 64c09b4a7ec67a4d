#include "clone.h"

#include <csignal>
#include <sched.h>
#include <sys/mman.h>

#include <cerrno>

#include "kernel.h"
#include "sys.h"

namespace metactl {

namespace {

constexpr size_t kStackSize = 64 * 1024;
constexpr size_t kPage = 4096;

/// One stack for all children: each is done with it (by execve) before clone returns. Touched in advance, with a guard
/// page below. Made once; only the main thread of an environment spawns, but workers may have environments too.
char* stack() {
  static thread_local char* memory = nullptr;
  if (memory == nullptr) {
    void* made = ::mmap(nullptr, kStackSize + kPage, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_POPULATE, -1, 0);
    if (made == MAP_FAILED) return nullptr;
    ::mprotect(made, kPage, PROT_NONE);
    memory = static_cast<char*>(made);
  }
  return memory;
}

#if defined(__x86_64__) || defined(__aarch64__)

/// The child comes back from the system call on its new, empty stack, so it must leave this function by a call.
long clone3_with_stack(kernel::CloneArgs* args, void (*body)(void*), void* argument) {
#if defined(__x86_64__)
  long result;
  __asm__ volatile(
      "syscall\n"
      "test %%rax, %%rax\n"
      "jnz 1f\n"
      "xor %%ebp, %%ebp\n"
      "mov %[argument], %%rdi\n"
      "call *%[body]\n"
      "hlt\n"
      "1:\n"
      : "=a"(result)
      : "a"(kernel::kClone3), "D"(args), "S"(sizeof *args), [body] "r"(body), [argument] "r"(argument)
      : "rcx", "r11", "memory");
  return result;
#else
  register long x8 __asm__("x8") = kernel::kClone3;
  register long x0 __asm__("x0") = reinterpret_cast<long>(args);
  register long x1 __asm__("x1") = sizeof *args;
  __asm__ volatile(
      "svc 0\n"
      "cbnz x0, 1f\n"
      "mov x29, #0\n"
      "mov x0, %[argument]\n"
      "blr %[body]\n"
      "brk #0\n"
      "1:\n"
      : "+r"(x0)
      : "r"(x8), "r"(x1), [body] "r"(body), [argument] "r"(argument)
      : "memory");
  return x0;
#endif
}

#else

long clone3_with_stack(kernel::CloneArgs*, void (*)(void*), void*) { return -ENOSYS; }

#endif

int call_body(void* data) {
  auto* request = static_cast<const CloneRequest*>(data);
  request->body(request->argument);
  return 0;
}

}  // namespace

long clone_vfork(const CloneRequest& request, int* pidfd) {
  char* memory = stack();
  if (memory == nullptr) return -ENOMEM;
  kernel::CloneArgs args = {};
  args.flags = request.flags | kernel::kCloneVm | kernel::kCloneVfork;
  if (pidfd != nullptr) args.flags |= kernel::kClonePidfd;
  args.pidfd = reinterpret_cast<__u64>(pidfd);
  args.exit_signal = SIGCHLD;
  args.stack = reinterpret_cast<__u64>(memory + kPage);
  args.stack_size = kStackSize;
  if (request.cgroup >= 0) {
    args.flags |= kernel::kCloneIntoCgroup;
    args.cgroup = static_cast<__u64>(request.cgroup);
  }
  long pid = clone3_with_stack(&args, request.body, request.argument);
  // Without clone3 there is no way straight into a v2 cgroup; the caller knows another.
  if (pid != -ENOSYS || request.cgroup >= 0) return pid;
  int flags = static_cast<int>(static_cast<unsigned>(args.flags)) | SIGCHLD;
  int made = ::clone(call_body, memory + kPage + kStackSize, flags, const_cast<CloneRequest*>(&request), pidfd);
  return made < 0 ? -errno : made;
}

}  // namespace metactl
