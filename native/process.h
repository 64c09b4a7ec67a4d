// Processes behind pidfds.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "fd.h"

namespace metactl {

Fd pidfd_open(pid_t pid);

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
