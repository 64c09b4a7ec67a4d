// A daemon's cgroup where all is as usual: nothing is there yet, and its parents are. Anything else is left to TypeScript.
#pragma once

#include <string>
#include <vector>

#include "fd.h"

namespace metactl {

struct CgroupWrite {
  std::string file;
  std::string value;
  /// Also good where this kernel has no such file.
  bool optional;
};

/// Absolute paths.
struct CgroupRequest {
  /// Must not be there: what an earlier run of the daemon would have left in hierarchies that this one does without.
  std::vector<std::string> absent;
  /// Directories to be made in v1 hierarchies.
  std::vector<std::string> v1;
  /// The one in the v2 tree; empty for none.
  std::string v2;
  /// Files that must hold more than white space: a v1 cpuset without CPUs lets nobody in.
  std::vector<std::string> filled;
  /// What v2's `cgroup.controllers` must name.
  std::vector<std::string> controllers;
  /// In this order, when all directories are made.
  std::vector<CgroupWrite> writes;
};

/// Open, close-on-exec: v1's `tasks` files, and the v2 directory.
struct MadeCgroup {
  std::vector<Fd> tasks;
  Fd directory;
};

/// Throws SysError with the step kCgroupStep where something is not as usual; then nothing of it is there.
MadeCgroup make_cgroup(const CgroupRequest& request);

/// Takes the directories away again. Nothing may be in them.
void remove_cgroup(const CgroupRequest& request);

inline constexpr char kCgroupStep[] = "make cgroup at once";

}  // namespace metactl
