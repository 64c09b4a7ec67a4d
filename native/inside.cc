#include "inside.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "link.h"
#include "procfs.h"
#include "route.h"
#include "sys_error.h"

namespace metactl {

namespace {

/// lo is the first link of every network namespace (LOOPBACK_IFINDEX of the kernel).
constexpr int LOOPBACK = 1;

/// `path` is below /proc; its sys/net shows the namespace of the thread that opens it.
void write_sysctl(const char* path, const char* value) {
  Fd file(::openat(own_procfs(), path, O_WRONLY | O_CLOEXEC));
  if (!file) fail("configure network namespace", "open", path);
  if (::write(file.get(), value, std::strlen(value)) < 0) fail("configure network namespace", "write", path);
}

}  // namespace

void configure_inside(Netlink& inside, const IpAddresses& addresses) {
  // The only sysctls here that netlink can't set. The groups are all that there can be: everybody may send echo requests, by
  // sockets that the kernel fills, and read nothing but the answers to them.
  write_sysctl("sys/net/ipv4/ip_unprivileged_port_start", "0");
  write_sysctl("sys/net/ipv4/ping_group_range", "0 2147483647");
  int index = find_link(inside, INSIDE_LINK).index;
  if (index == 0) fail("configure network namespace", "netlink", INSIDE_LINK, ENODEV);
  set_up(inside, LOOPBACK);
  for (const IpAddress& address : addresses) {
    if (!address.is_v6()) add_address(inside, index, address);
  }
  // No duplicate address detection to wait for, no multicast; lo keeps ::1.
  forbid_ipv6_address(inside, index);
  set_up(inside, index);
  for (const IpAddress& address : addresses) {
    // A link that is down loses its IPv6 addresses.
    if (address.is_v6()) add_address(inside, index, address);
    add_default_route(inside, index, address.family);
  }
}

}  // namespace metactl
