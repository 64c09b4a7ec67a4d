// What the addon and metactl-init agree on: descriptors and records. src/host/linux/records.ts reads the records,
// src/host/linux/encode.ts writes the plan (plan.h).
#pragma once

#include <linux/types.h>

namespace metactl {

// Descriptors that metactl-init starts with; every other one is closed before.
constexpr int kFdError = 3;     // write end, close-on-exec in the daemon: failures; its end means "exec succeeded"
constexpr int kFdStatus = 4;    // write end: StatusRecords
constexpr int kFdLiveness = 5;  // read end: its end means that the supervisor is gone
constexpr int kFdPlan = 6;      // sealed memfd
constexpr int kFdTarget = 7;    // join: pidfd of the sandbox's PID 1, or its directory in /proc (process.h)
constexpr int kFdInit = 8;      // metactl-init itself, close-on-exec
constexpr int kFdUser = 9;      // the app's user namespace, which the daemon enters
constexpr int kFdIdmap = 10;    // user namespace whose maps idmapped binds get
constexpr int kFdReady = 11;     // write end: the daemon gets it by the number that its plan says (ready_fd)
constexpr int kFdStore = 12;     // a socket in which descriptors wait that the daemon gets from 3 on (Plan::stored)
constexpr int kFdOrder = 13;     // read end: an OrderRecord, for which a spare metactl-init waits before it starts the daemon
/// Then the detached trees that the plan's binds name by number: copies of host mounts, made where the host's mounts are
/// to be seen, for a metactl-init that starts in a mount namespace without them.
constexpr int kFdTrees = 14;
constexpr __u32 kMostTrees = 64;
/// With kFdOrder: then the `tasks` files of the daemon's cgroup v1 directories. There are fewer controllers in all kernels.
constexpr __u32 kMostTasks = 24;

/// Most descriptors that a daemon may leave for its next start, and of one message (SCM_MAX_FD of the kernel).
constexpr __u32 kMostStored = 512;
constexpr __u32 kMostInMessage = 253;

constexpr __u32 kErrorMagic = 0x5252454d;   // "MERR"
constexpr __u32 kStatusMagic = 0x5453544d;  // "MTST"

/// Followed by the three texts, without NULs. At most PIPE_BUF in all, so that it arrives in one piece.
struct ErrorRecord {
  __u32 magic;
  __s32 error;
  __u16 step_size;
  __u16 call_size;
  __u16 path_size;
  /// The exit status that metactl itself should have: 125, 126 or 127.
  __u16 exit_status;
};

enum StatusKind : __u32 {
  /// PID 1 has given up its rights and lets the daemon execute. It comes before the error pipe's end. `pid` as this process
  /// sees it.
  kStatusRunning = 1,
  /// The daemon has ended.
  kStatusEnded = 2,
};

struct StatusRecord {
  __u32 magic;
  __u32 kind;
  __s32 pid;
  /// -1 where a signal ended it.
  __s32 code;
  __s32 signal;
  __u32 core_dumped;
  __u64 user_us;
  __u64 system_us;
  __u64 max_rss_kb;
};

constexpr __u32 kOrderMagic = 0x44524f4d;  // "MORD"

/// To a metactl-init that was made before anybody needs it: the daemon may start. The end of the pipe: it never will.
struct OrderRecord {
  __u32 magic;
  /// Descriptors from kFdTrees on: trees, which are attached by then, and behind them `tasks` files.
  __u32 trees;
  __u32 tasks;
};

// Exit statuses (DESIGN §7).
constexpr int kExitSandbox = 125;
constexpr int kExitNotExecutable = 126;
constexpr int kExitNotFound = 127;

}  // namespace metactl
