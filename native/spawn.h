// Starting metactl-init: one vfork-style clone into new namespaces, on the calling thread, without copying its memory.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "fd.h"

namespace metactl {

struct SpawnOptions {
  int init = -1;
  int plan = -1;
  int standard[3] = {-1, -1, -1};
  int liveness = -1;
  /// pidfd of the sandbox to join, or -1.
  int target = -1;
  /// Network namespace to enter, or -1.
  int netns = -1;
  /// cgroup v1 `tasks` files.
  std::vector<int> tasks;
  /// cgroup v2 directory, or -1.
  int cgroup = -1;
  /// New mount, PID, IPC, UTS and cgroup namespaces.
  bool sandboxed = false;
  /// A new, empty network namespace.
  bool new_network = false;
  /// Second word of metactl-init's command line, for `ps`.
  std::string title;
};

struct Spawned {
  pid_t pid = -1;
  Fd pidfd;
  /// Read ends, non-blocking.
  Fd error;
  Fd status;
};

/// Blocks until metactl-init's first instruction. Throws SysError where that is not reached.
Spawned spawn(const SpawnOptions& options);

/// An anonymous file with this content that nobody can change any more. `executable` where it is to be executed.
Fd sealed_memfd(const char* name, const void* data, size_t size, bool executable);

struct Pipe {
  Fd read;
  Fd write;
};

Pipe make_pipe(bool nonblocking_read);

}  // namespace metactl
