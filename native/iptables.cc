#include "iptables.h"

// Before the kernel's headers, which then leave out what libc defines too.
#include <netinet/in.h>
#include <sys/socket.h>

#include <linux/netfilter_ipv4/ip_tables.h>

#include <cerrno>
#include <cstring>

#include "fd.h"
#include "sys_error.h"

namespace metactl {

bool read_iptables(const std::string& name, bool ipv6, IptablesTable& table) {
  // Options and structures are the same in both families (IP6T_SO_GET_INFO, ip6t_getinfo); the entries aren't.
  const int level = ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;
  Fd socket(::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  if (!socket) fail("read iptables", "socket");
  ipt_getinfo info = {};
  if (name.size() >= sizeof info.name) return false;
  std::memcpy(info.name, name.c_str(), name.size());
  socklen_t length = sizeof info;
  if (::getsockopt(socket.get(), level, IPT_SO_GET_INFO, &info, &length) != 0) return false;
  std::vector<unsigned char> buffer(sizeof(ipt_get_entries) + info.size);
  auto* answer = reinterpret_cast<ipt_get_entries*>(buffer.data());
  std::memcpy(answer->name, name.c_str(), name.size());
  answer->size = info.size;
  length = static_cast<socklen_t>(buffer.size());
  // EAGAIN: the rules changed meanwhile.
  if (::getsockopt(socket.get(), level, IPT_SO_GET_ENTRIES, answer, &length) != 0) return false;
  table.forward = info.hook_entry[NF_INET_FORWARD];
  table.entries.assign(buffer.begin() + sizeof(ipt_get_entries), buffer.end());
  return true;
}

}  // namespace metactl
