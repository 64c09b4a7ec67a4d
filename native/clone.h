// clone3 with a stack of its own, or clone where the kernel is older than 5.3.
#pragma once

#include <sys/types.h>

namespace metactl {

struct CloneRequest {
  unsigned long flags;
  /// cgroup v2 directory for CLONE_INTO_CGROUP (Linux 5.7), or -1.
  int cgroup;
  /// Runs in the child, which shares the caller's memory: raw system calls only. Must not return.
  void (*body)(void* argument);
  void* argument;
};

/// The calling thread sleeps until the child executes or ends. All signals must be blocked.
/// @param pidfd set on success; null: don't ask for one (before Linux 5.2).
/// @returns the child's pid, or -errno.
long clone_vfork(const CloneRequest& request, int* pidfd);

}  // namespace metactl
