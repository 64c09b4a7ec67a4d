#include "join.h"

#include <linux/fcntl.h>

#include "kernel.h"
#include "protocol.h"
#include "report.h"
#include "sys.h"

namespace metactl {

namespace {

constexpr unsigned long kAll = kernel::kCloneNewns | kernel::kCloneNewpid | kernel::kCloneNewipc | kernel::kCloneNewuts |
                               kernel::kCloneNewnet | kernel::kCloneNewcgroup;

struct Namespace {
  const char* name;
  unsigned long flag;
};

/// The mount namespace last: with it /proc becomes the sandbox's own.
constexpr Namespace kNamespaces[] = {
    {"cgroup", kernel::kCloneNewcgroup}, {"ipc", kernel::kCloneNewipc}, {"uts", kernel::kCloneNewuts},
    {"net", kernel::kCloneNewnet},       {"pid", kernel::kCloneNewpid}, {"mnt", kernel::kCloneNewns},
};

/// The pid behind kFdTarget as our own /proc shows it, or -errno.
long target_pid() {
  char text[512] = {};
  long fd = sys::openat(kernel::kAtFdcwd, "/proc/self/fdinfo/7", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fd;
  long size = sys::read(static_cast<int>(fd), text, sizeof text);
  sys::close(static_cast<int>(fd));
  for (long i = 0; i + 5 < size; i++) {
    if (text[i] != 'P' || text[i + 1] != 'i' || text[i + 2] != 'd' || text[i + 3] != ':') continue;
    long pid = 0;
    for (i += 5; i < size && text[i] >= '0' && text[i] <= '9'; i++) pid = pid * 10 + (text[i] - '0');
    return pid > 0 ? pid : -kernel::kEsrch;
  }
  return -kernel::kEsrch;
}

long open_proc_directory(long pid) {
  char path[32] = "/proc/";
  unsigned size = 6;
  char digits[20];
  unsigned count = 0;
  do digits[count++] = static_cast<char>('0' + pid % 10);
  while ((pid /= 10) > 0);
  while (count > 0) path[size++] = digits[--count];
  for (const char* at = "/ns"; *at != '\0'; at++) path[size++] = *at;
  path[size] = '\0';
  return sys::openat(kernel::kAtFdcwd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/// For kernels before 5.8: one namespace after the other, by descriptors opened while the process was still there. Before
/// 5.4 kFdTarget is a directory of /proc: what is opened through it is that process's, or nothing.
void enter_one_by_one() {
  constexpr int kCount = sizeof kNamespaces / sizeof kNamespaces[0];
  int opened[kCount];
  long directory = sys::openat(kFdTarget, "ns", O_PATH | O_DIRECTORY | O_CLOEXEC);
  bool by_pidfd = directory == -kernel::kEnotdir;
  if (by_pidfd) directory = open_proc_directory(must(target_pid(), "enter sandbox", "open"));
  must(directory, "enter sandbox", "openat", "ns");
  for (int i = 0; i < kCount; i++) {
    opened[i] = static_cast<int>(must(sys::openat(static_cast<int>(directory), kNamespaces[i].name, O_RDONLY | O_CLOEXEC),
                                      "enter sandbox", "openat", kNamespaces[i].name));
  }
  // Still alive: then the pid could not have been reused before the descriptors were opened.
  if (by_pidfd) must(sys::call(kernel::kPidfdSendSignal, kFdTarget, 0, 0, 0), "enter sandbox", "pidfd_send_signal");
  // The host's /proc is not taken along.
  sys::close(static_cast<int>(directory));
  sys::close(kFdTarget);
  for (int i = 0; i < kCount; i++) {
    must(sys::call(__NR_setns, opened[i], static_cast<long>(kNamespaces[i].flag)), "enter sandbox", "setns", kNamespaces[i].name);
    sys::close(opened[i]);
  }
}

}  // namespace

void enter_sandbox() {
  long result = sys::call(__NR_setns, kFdTarget, static_cast<long>(kAll));
  if (result == -kernel::kEinval) {
    enter_one_by_one();
    return;
  }
  must(result, "enter sandbox", "setns");
  sys::close(kFdTarget);
}

}  // namespace metactl
