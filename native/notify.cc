#include "notify.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "file.h"
#include "sys_error.h"

namespace metactl {

namespace {

// asm-generic/socket.h and linux/socket.h, newer than the oldest headers that this is built with.
constexpr int kSoPassPidfd = 76;
constexpr int kScmPidfd = 4;

union Control {
  cmsghdr align;
  char space[CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(kMostNotifiedFds * sizeof(int))];
};

/// Takes every descriptor into possession before anything else can fail.
void take_control(msghdr& header, Notification& to) {
  for (cmsghdr* at = CMSG_FIRSTHDR(&header); at != nullptr; at = CMSG_NXTHDR(&header, at)) {
    if (at->cmsg_level != SOL_SOCKET) continue;
    const unsigned char* data = CMSG_DATA(at);
    size_t size = at->cmsg_len - CMSG_LEN(0);
    if (at->cmsg_type == SCM_CREDENTIALS && size >= sizeof(ucred)) {
      ucred sender;
      std::memcpy(&sender, data, sizeof sender);
      to.pid = sender.pid;
      to.uid = sender.uid;
    } else if (at->cmsg_type == SCM_RIGHTS || at->cmsg_type == kScmPidfd) {
      for (size_t i = 0; i + sizeof(int) <= size; i += sizeof(int)) {
        int fd = -1;
        std::memcpy(&fd, data + i, sizeof fd);
        // The kernel puts an error number in the place of a pidfd that it can't give.
        if (fd < 0) continue;
        if (at->cmsg_type == kScmPidfd) to.pidfd = Fd(fd);
        else to.fds.emplace_back(fd);
      }
    }
  }
}

}  // namespace

Fd notify_socket(const std::string& directory, const std::string& name, const Access& access) {
  const std::string path = directory + "/" + name;
  Fd opened = open_path(directory, O_DIRECTORY);
  Fd made(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made) fail("make notify socket", "socket", path);
  int on = 1;
  if (::setsockopt(made.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) {
    fail("make notify socket", "setsockopt SO_PASSCRED", path);
  }
  // Before Linux 6.5 there is none: then the pid alone has to do.
  ::setsockopt(made.get(), SOL_SOCKET, kSoPassPidfd, &on, sizeof on);
  if (::unlinkat(opened.get(), name.c_str(), 0) != 0 && errno != ENOENT) fail("make notify socket", "unlinkat", path);
  // By descriptor: the directory is the one that was looked at, and its path may be longer than an address can be.
  const std::string address = "/proc/self/fd/" + std::to_string(opened.get()) + "/" + name;
  sockaddr_un to = {};
  to.sun_family = AF_UNIX;
  if (address.size() >= sizeof to.sun_path) fail("make notify socket", "bind", path, ENAMETOOLONG);
  std::memcpy(to.sun_path, address.c_str(), address.size());
  // bind(2) takes the mode from here. Who had connected once could write for ever.
  if (::fchmod(made.get(), 0600) != 0) fail("make notify socket", "fchmod", path);
  if (::bind(made.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) fail("make notify socket", "bind", path);
  // In a directory that only root writes, the name is still that of the socket.
  if (::fchownat(opened.get(), name.c_str(), access.uid, access.gid, AT_SYMLINK_NOFOLLOW) != 0) {
    fail("make notify socket", "fchownat", path);
  }
  if (::fchmodat(opened.get(), name.c_str(), access.mode, 0) != 0) fail("make notify socket", "fchmodat", path);
  return made;
}

std::optional<Notification> receive_notification(int socket) {
  char text[kLongestNotification];
  Control control;
  iovec data = {text, sizeof text};
  msghdr header = {};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control.space;
  header.msg_controllen = sizeof control.space;
  ssize_t size;
  do size = ::recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC);
  while (size < 0 && errno == EINTR);
  if (size < 0) {
    if (errno == EAGAIN) return std::nullopt;
    fail("receive notification", "recvmsg");
  }
  Notification got;
  take_control(header, got);
  got.oversized = (header.msg_flags & MSG_TRUNC) != 0;
  got.incomplete = (header.msg_flags & MSG_CTRUNC) != 0;
  got.text.assign(text, got.oversized ? sizeof text : static_cast<size_t>(size));
  return got;
}

}  // namespace metactl
