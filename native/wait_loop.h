// The rest of metactl-init's life: forward signals, reap, tell how the daemon ended.
#pragma once

namespace metactl {

enum WatchKind {
  /// This process is PID 1 of the daemon's namespace: what is left dies with it.
  kWatchNamespace,
  /// Without a sandbox: this process is the daemon's subreaper and ends what the daemon leaves.
  kWatchDescendants,
  /// The process has joined a sandbox; only itself is ours.
  kWatchJoined,
};

struct Watch {
  WatchKind kind;
  int signals;  // signalfd
  int daemon;   // pid
  /// kWatchDescendants: /proc/thread-self/children; else -1.
  int children;
};

/// All signals, as a signalfd reads them.
int open_signals();

[[noreturn]] void wait_for_end(const Watch& watch);

}  // namespace metactl
