#include "datagram.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <vector>

#include "descriptors.h"
#include "sys_error.h"

namespace metactl {

namespace {

constexpr int kSendTimeout = 200'000;
/// As sd_journal_send asks for; the kernel gives what net.core.wmem_max allows.
constexpr int kSendBuffer = 8 << 20;

/// @returns 0 or an errno.
int send_message(int fd, iovec* parts, size_t count, int attached) {
  msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = count;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (attached >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &attached, sizeof attached);
  }
  for (;;) {
    if (::sendmsg(fd, &message, MSG_NOSIGNAL) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

/// @returns 0 or an errno.
int send_by_memfd(int fd, const iovec* parts, size_t count) {
  std::vector<uint8_t> whole;
  for (size_t i = 0; i < count; i++) {
    const auto* data = static_cast<const uint8_t*>(parts[i].iov_base);
    whole.insert(whole.end(), data, data + parts[i].iov_len);
  }
  try {
    Fd memfd = sealed_memfd("metactl-log", whole.data(), whole.size(), false);
    return send_message(fd, nullptr, 0, memfd.get());
  } catch (const SysError& error) {
    return error.error;
  }
}

Slice head_of(const Envelope& envelope, uint8_t mark) {
  return mark == '+' ? envelope.continued : mark == '~' ? envelope.unended : envelope.head;
}

iovec part(Slice slice) { return {const_cast<uint8_t*>(slice.data), slice.size}; }

}  // namespace

Fd connect_datagram(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) fail("connect to the socket", "connect", path, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.data(), path.size());
  socklen_t length = sizeof address;
  // An abstract name is as long as it is told to be (unix(7)).
  if (!path.empty() && path.front() == '@') {
    address.sun_path[0] = '\0';
    length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  }
  Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) fail("connect to the socket", "socket", path);
  timeval timeout = {0, kSendTimeout};
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) != 0) {
    fail("connect to the socket", "setsockopt", path);
  }
  // Less will do: what is too large then goes another way.
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    fail("connect to the socket", "connect", path);
  }
  return fd;
}

Sent send_lines(int fd, const Envelope& envelope, Slice lines) {
  size_t done = 0;
  while (done < lines.size) {
    const uint8_t* line = lines.data + done;
    const auto* end = static_cast<const uint8_t*>(std::memchr(line, '\n', lines.size - done));
    if (end == nullptr || end == line) break;
    Slice text = {line + 1, static_cast<size_t>(end - line) - 1};
    iovec parts[] = {part(head_of(envelope, *line)), part(text), part(envelope.tail)};
    int error = send_message(fd, parts, 3, -1);
    if ((error == EMSGSIZE || error == ENOBUFS) && envelope.by_memfd) error = send_by_memfd(fd, parts, 3);
    if (error != 0) return {done, error};
    done += text.size + 2;
  }
  return {done, 0};
}

}  // namespace metactl
