#include "loopback.h"

#include "report.h"
#include "sys.h"

namespace metactl {

namespace {

constexpr int kAfInet = 2;
constexpr int kSockDgramCloexec = 2 | 02000000;
constexpr long kSiocsifflags = 0x8914;
/// IFF_UP | IFF_LOOPBACK | IFF_RUNNING: only UP can be changed, the others are what they are.
constexpr short kUp = 0x1;

/// struct ifreq.
struct InterfaceRequest {
  char name[16];
  short flags;
  char rest[22];
};

}  // namespace

void bring_loopback_up() {
  int fd = static_cast<int>(must(sys::call(__NR_socket, kAfInet, kSockDgramCloexec, 0), "bring up loopback", "socket"));
  InterfaceRequest request = {};
  request.name[0] = 'l';
  request.name[1] = 'o';
  request.flags = kUp;
  must(sys::call(__NR_ioctl, fd, kSiocsifflags, sys::arg(&request)), "bring up loopback", "ioctl SIOCSIFFLAGS", "lo");
  sys::close(fd);
}

}  // namespace metactl
