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

/// A launch that waits for its order (spare.h in metactl-init). Its descriptors belong to JavaScript until it is taken.
struct Spare {
  pid_t pid = -1;
  int order = -1;
  int pidfd = -1;
  int error = -1;
  int status = -1;
  int output = -1;
  int errors = -1;
  int ready = -1;
  /// What must still be in its place: what was bound from the host.
  std::shared_ptr<const GuardedStage> sources;
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
  /// Takes the place of a launch where it is there and good.
  std::optional<Spare> spare;
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
