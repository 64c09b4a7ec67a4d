// The receiving end of sd_notify(3): one datagram socket per daemon.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "fd.h"

namespace metactl {

/// Longest message that is taken: systemd's NOTIFY_BUFFER_MAX, which is PIPE_BUF.
constexpr size_t kLongestNotification = 4096;
/// Most descriptors of one message (SCM_MAX_FD of the kernel).
constexpr int kMostNotifiedFds = 253;

/// Who may write to a socket: its mode, owner and group.
struct Access {
  mode_t mode;
  uid_t uid;
  gid_t gid;
};

/// A non-blocking datagram socket bound to `name` in `directory`. There is no moment in which somebody else could connect.
/// What was there by that name is replaced. No symlink is followed.
Fd notify_socket(const std::string& directory, const std::string& name, const Access& access);

struct Notification {
  std::string text;
  /// Of the sender, as this process sees it; 0 where the kernel told none.
  pid_t pid = 0;
  uid_t uid = 0;
  /// Of the sender, since Linux 6.5.
  Fd pidfd;
  std::vector<Fd> fds;
  /// More text than kLongestNotification: the rest is lost.
  bool oversized = false;
  /// Descriptors or credentials were lost: too many, or no room for them in this process.
  bool incomplete = false;
};

/// The next message; none where the socket is empty.
std::optional<Notification> receive_notification(int socket);

}  // namespace metactl
