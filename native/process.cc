#include "process.h"

#include <csignal>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sys_error.h"

namespace metactl {

Fd pidfd_open(pid_t pid) {
  Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) fail("open process", "pidfd_open", std::to_string(pid));
  return fd;
}

bool pidfd_send_signal(int pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0) return true;
  if (errno == ESRCH) return false;
  fail("send signal", "pidfd_send_signal", std::to_string(signal));
}

ChildEnd wait_pidfd(int pidfd) {
  // Not in glibc's headers before 2.36.
  constexpr int kPidfd = 3;
  siginfo_t info = {};
  while (::waitid(static_cast<idtype_t>(kPidfd), static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG) != 0) {
    if (errno != EINTR) fail("wait for process", "waitid");
  }
  ChildEnd end;
  if (info.si_pid == 0) return end;
  end.ended = true;
  if (info.si_code == CLD_EXITED) {
    end.code = info.si_status;
  } else {
    end.signal = info.si_status;
    end.core_dumped = info.si_code == CLD_DUMPED;
  }
  return end;
}

PeerCredentials peer_credentials(int fd) {
  struct ucred credentials = {};
  socklen_t length = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    fail("read peer credentials", "getsockopt SO_PEERCRED");
  }
  return {credentials.pid, credentials.uid, credentials.gid};
}

}  // namespace metactl
