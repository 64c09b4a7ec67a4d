// Launches one after the other on a thread of their own, behind one that makes their cgroups: what the kernel does for one goes on beside whoever prepares the next.
#pragma once

#include <functional>
#include <memory>

#include "cgroup.h"
#include "fd.h"
#include "spawn.h"
#include "sys_error.h"

namespace metactl {

struct QueuedSpawn {
  SpawnOptions options;
  /// A copy of the stage's descriptor: whoever finds it out of date closes its own.
  Fd stage;
  /// The daemon's cgroup, where that is to be made first; `options` has none then. A launch that fails leaves none.
  std::unique_ptr<CgroupRequest> cgroup;
  MadeCgroup made_cgroup;
  /// What became of it: one of both.
  std::unique_ptr<Spawned> made;
  std::unique_ptr<SysError> error;
  /// Called on the queue's thread, which hands it over.
  std::function<void(std::unique_ptr<QueuedSpawn>)> done;
};

/// Descriptors in its options stay open until `done`. Throws SysError where there is no thread for it.
void queue_spawn(std::unique_ptr<QueuedSpawn> job);

}  // namespace metactl
