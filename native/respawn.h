// A launch made ready in advance: where a daemon dies, the next one is under way before anybody thinks about it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "descriptors.h"
#include "protocol.h"
#include "spawn.h"

namespace metactl {

/// Prepared mounts, and what must still be in its place for them to be good.
struct GuardedStage {
  /// -1: closed.
  int mounts = -1;
  std::vector<std::string> paths;
  std::vector<FileId> ids;

  bool is_current() const;
};

/// Exit statuses, then signals.
constexpr size_t kEndings = 256 + 65;

struct Armed {
  /// Its output is replaced by pipes of its own; its stage is `stage`.
  SpawnOptions options;
  std::shared_ptr<const GuardedStage> stage;
  /// The daemon gets a pipe to tell by that it is ready.
  bool tells_ready = false;
  /// Owner of the write ends.
  uid_t uid = 0;
  gid_t gid = 0;
  /// Not 0: after such an end.
  std::vector<uint8_t> endings;
  /// CLOCK_MONOTONIC, nanoseconds: after an earlier end it is not for this to begin the next run.
  int64_t not_before = 0;
  /// cgroup.procs of the daemon's cgroup: nothing but `init` may be left in there.
  std::string processes;
  pid_t init = -1;
};

struct Respawned {
  Spawned spawned;
  /// Read ends, non-blocking.
  Fd output;
  Fd errors;
  Fd ready;
};

/// Nothing where the end is not one of those that it was made ready for, or something has changed. Throws SysError.
std::optional<Respawned> respawn(const Armed& armed, const StatusRecord& record);

}  // namespace metactl
