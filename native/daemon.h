// The daemon's own process, from fork to execve.
#pragma once

#include "plan.h"

namespace metactl {

struct DaemonSetup {
  /// Becomes readable when the parent has given up its rights; its end means that the parent is gone.
  int go;
  /// The other end, to be closed here.
  int go_writer;
  /// The parent is not PID 1 of a namespace that dies with it: ask for SIGKILL when it does.
  bool die_with_parent;
};

/// Drops privileges and executes. Failures are reported on the error pipe.
[[noreturn]] void run_daemon(const Plan& plan, const DaemonSetup& setup);

}  // namespace metactl
