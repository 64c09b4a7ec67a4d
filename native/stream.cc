#include "stream.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cstring>

#include "sys_error.h"

namespace metactl {

Fd connect_stream(const std::string& path, int milliseconds) {
  const char* step = "connect to the supervisor";
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) fail(step, "connect", path, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) fail(step, "socket", path);
  timeval timeout = {milliseconds / 1000, (milliseconds % 1000) * 1000};
  for (int direction : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    if (::setsockopt(fd.get(), SOL_SOCKET, direction, &timeout, sizeof timeout) != 0) fail(step, "setsockopt", path);
  }
  // A unix socket that a signal interrupts here is as it was: it may be tried again.
  while (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno != EINTR) fail(step, "connect", path);
  }
  return fd;
}

}  // namespace metactl
