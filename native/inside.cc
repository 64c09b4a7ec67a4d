#include "inside.h"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "link.h"
#include "procfs.h"
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

void add_address(Netlink& inside, int index, uint32_t address) {
  Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
  ifaddrmsg header = {};
  header.ifa_family = AF_INET;
  header.ifa_prefixlen = 32;
  header.ifa_scope = RT_SCOPE_UNIVERSE;
  header.ifa_index = static_cast<uint32_t>(index);
  request.header(header);
  request.attribute(IFA_LOCAL, address);
  request.attribute(IFA_ADDRESS, address);
  inside.talk("give veth0 its address", INSIDE_LINK, request);
}

void add_default_route(Netlink& inside, int index) {
  Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  rtmsg header = {};
  header.rtm_family = AF_INET;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = RT_SCOPE_LINK;
  header.rtm_type = RTN_UNICAST;
  request.header(header);
  request.attribute(RTA_OIF, static_cast<uint32_t>(index));
  inside.talk("add the default route inside", INSIDE_LINK, request);
}

}  // namespace

void configure_inside(Netlink& inside, uint32_t address) {
  // The only sysctl here that netlink can't set.
  write_sysctl("sys/net/ipv4/ip_unprivileged_port_start", "0");
  int index = find_link(inside, INSIDE_LINK).index;
  if (index == 0) fail("configure network namespace", "netlink", INSIDE_LINK, ENODEV);
  set_up(inside, LOOPBACK);
  add_address(inside, index, address);
  // No duplicate address detection to wait for, no multicast; lo keeps ::1.
  forbid_ipv6_address(inside, index);
  set_up(inside, index);
  add_default_route(inside, index);
}

}  // namespace metactl
