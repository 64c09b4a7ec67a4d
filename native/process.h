// Processes behind pidfds. Before Linux 5.4 an open /proc/PID directory takes the pidfd's place: like it, it belongs to
// one process for good, and a later one with the same pid is not found behind it.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "fd.h"

namespace metactl {

/// Whether the kernel has all that is used of pidfds: pidfd_send_signal (Linux 5.1), CLONE_PIDFD (5.2), pidfd_open (5.3)
/// and waitid by pidfd (5.4).
bool has_pidfds();

Fd pidfd_open(pid_t pid);

/// Whether a descriptor is a directory of /proc, used as a pidfd.
bool is_process_directory(int fd);

/// A descriptor that is at its end as soon as the process behind such a directory has ended, as a pidfd is readable then.
Fd process_end(int directory);

/// @returns false where the process is gone.
bool pidfd_send_signal(int pidfd, int signal);

struct ChildEnd {
  bool ended = false;
  /// Exit status, or -1 where a signal ended it.
  int code = -1;
  int signal = 0;
  bool core_dumped = false;
};

/// Reaps a child of this process without blocking. @returns ended = false while it runs.
ChildEnd wait_pidfd(int pidfd);

struct PeerCredentials {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};

/// Who is at the other end of a unix socket (SO_PEERCRED).
PeerCredentials peer_credentials(int fd);

}  // namespace metactl
