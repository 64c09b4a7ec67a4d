#include "store.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "protocol.h"
#include "sys_error.h"

namespace metactl {

namespace {

void send_some(int socket, const int* first, size_t count) {
  union {
    cmsghdr align;
    char space[CMSG_SPACE(kMostInMessage * sizeof(int))];
  } control = {};
  char byte = 0;
  iovec data = {&byte, 1};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.space;
  message.msg_controllen = CMSG_SPACE(count * sizeof(int));
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(count * sizeof(int));
  std::memcpy(CMSG_DATA(header), first, count * sizeof(int));
  ssize_t sent;
  do sent = ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent < 0) fail("hand over stored descriptors", "sendmsg");
}

}  // namespace

Store fill_store(const std::vector<int>& descriptors) {
  Store store;
  if (descriptors.empty()) return store;
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) != 0) fail("hand over stored descriptors", "socketpair");
  store.sender = Fd(ends[0]);
  store.receiver = Fd(ends[1]);
  for (size_t at = 0; at < descriptors.size(); at += kMostInMessage) {
    send_some(store.sender.get(), descriptors.data() + at, std::min<size_t>(kMostInMessage, descriptors.size() - at));
  }
  return store;
}

bool is_same_file(int left, int right) {
  // linux/kcmp.h: KCMP_FILE
  constexpr long kFile = 0;
  long order = ::syscall(SYS_kcmp, ::getpid(), ::getpid(), kFile, left, right);
  if (order >= 0) return order == 0;
  struct stat a = {}, b = {};
  return ::fstat(left, &a) == 0 && ::fstat(right, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool has_hung_up(int fd) {
  pollfd one = {fd, 0, 0};
  return ::poll(&one, 1, 0) == 1 && (one.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

}  // namespace metactl
