#include "netns.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include <exception>
#include <thread>

#include "file.h"
#include "sys_error.h"

namespace metactl {

namespace {

/// Runs `body` on a fresh thread, waits for it, and hands its exception on.
template <typename Body>
void on_own_thread(Body body) {
  std::exception_ptr thrown;
  std::thread([&] {
    try {
      body();
    } catch (...) {
      thrown = std::current_exception();
    }
  }).join();
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace

Fd make_netns(const std::string& path) {
  Fd target = open_path(path, 0);
  Fd made;
  on_own_thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) fail("make network namespace", "unshare", path);
    Fd self(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!self) fail("make network namespace", "open", "/proc/thread-self/ns/net");
    std::string by_fd = "/proc/self/fd/" + std::to_string(target.get());
    if (::mount("/proc/thread-self/ns/net", by_fd.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      fail("pin network namespace", "mount", path);
    }
    made = static_cast<Fd&&>(self);
  });
  return made;
}

Fd socket_in_netns(int netns, int domain, int type, int protocol) {
  Fd made;
  on_own_thread([&] {
    if (::setns(netns, CLONE_NEWNET) != 0) fail("enter network namespace", "setns");
    made = Fd(::socket(domain, type | SOCK_CLOEXEC, protocol));
    if (!made) fail("make socket", "socket");
  });
  return made;
}

}  // namespace metactl
