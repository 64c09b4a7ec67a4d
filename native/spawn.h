// Starting metactl-init: one vfork-style clone into new namespaces, on the calling thread, without copying its memory.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "fd.h"
#include "protocol.h"

namespace metactl {

/// A host path whose mount is cloned before the child leaves the host's mount namespace.
struct Tree {
  std::string path;
  bool recursive;
  /// MOUNT_ATTR_*
  uint32_t attributes;
  /// Its ids are mapped by SpawnOptions::idmap.
  bool idmapped;
};

struct SpawnOptions {
  int init = -1;
  int plan = -1;
  int standard[3] = {-1, -1, -1};
  int liveness = -1;
  /// pidfd of the sandbox to join, or -1.
  int target = -1;
  /// Network namespace to enter, or -1.
  int netns = -1;
  /// The app's user namespace, and the one that says how ids on disk look inside; or -1.
  int user = -1;
  int idmap = -1;
  /// What the daemon says by that it is ready, or -1.
  int ready = -1;
  /// Descriptors that the daemon gets from 3 on.
  std::vector<int> stored;
  /// cgroup v1 `tasks` files.
  std::vector<int> tasks;
  /// What a spare waits at (kFdOrder), or -1. It enters `tasks` only then.
  int order = -1;
  /// cgroup v2 directory, or -1.
  int cgroup = -1;
  /// New PID, IPC, UTS and cgroup namespaces.
  bool isolated = false;
  /// A new mount namespace: a copy of this process's, or of `stage` where that is one.
  bool new_mounts = false;
  int stage = -1;
  /// In the order of their numbers in the plan. Only together with `stage`.
  std::vector<Tree> trees;
  /// A new, empty network namespace.
  bool new_network = false;
  /// Second word of metactl-init's command line, for `ps`.
  std::string title;
};

/// Descriptors from kFdTrees on.
inline int handed_count(const SpawnOptions& options) {
  return static_cast<int>(options.trees.size() + (options.order < 0 ? 0 : options.tasks.size()));
}

struct Spawned {
  pid_t pid = -1;
  Fd pidfd;
  /// Read ends, non-blocking.
  Fd error;
  Fd status;
};

/// Blocks until metactl-init's first instruction. Throws SysError where that is not reached.
Spawned spawn(const SpawnOptions& options);

}  // namespace metactl
