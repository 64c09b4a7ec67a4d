// The rest of metactl-init's life: forward signals, reap, tell how the daemon ended.
#pragma once

namespace metactl {

struct Watch {
  int signals;     // signalfd
  int daemon;      // pid
  /// /proc/self/task/TID/children, where this process is no PID 1 and must end what the daemon leaves; else -1.
  int children;
};

/// All signals, as a signalfd reads them.
int open_signals();

[[noreturn]] void wait_for_end(const Watch& watch);

}  // namespace metactl
