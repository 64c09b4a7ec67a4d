// The child of a spawn, between clone and exec. It runs on Node's memory: raw system calls only.
#pragma once

#include "spawn.h"

namespace metactl {

/// What parent and child share while the parent sleeps.
struct Job {
  const SpawnOptions* options;
  const int* tasks;
  size_t task_count;
  /// In the order of their numbers (protocol.h), -1 where there is none.
  int sources[kFdTrees];
  /// `handed_count` descriptors: room for those of options->trees, then a spare's options->tasks.
  int* trees;
  char* const* argv;
  /// First of the reserved numbers (fd_window.h) that hold the sources already, in a table shared with the parent; -1
  /// where the child has a table of its own.
  int window;
  // Where the child failed.
  const char* failed_step;
  const char* failed_call;
  int failed_fd;
  const char* failed_path;
  int failed_errno;
};

/// `data` is a Job. Ends in metactl-init, or with the failure in the job.
[[noreturn]] void spawn_child(void* data);

}  // namespace metactl
