#include "route.h"

#include <linux/neighbour.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cerrno>
#include <cstring>

#include "sys_error.h"

namespace metactl {

namespace {

rtmsg host_route(const IpAddress& address) {
  rtmsg header = {};
  header.rtm_family = static_cast<unsigned char>(address.family);
  header.rtm_dst_len = address.bits();
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = address.is_v6() ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  header.rtm_type = RTN_UNICAST;
  return header;
}

Request route_request(uint16_t type, uint16_t flags, const IpAddress& address, int index) {
  Request request(type, flags);
  request.header(host_route(address));
  request.attribute(RTA_DST, address.bytes, address.size());
  request.attribute(RTA_OIF, static_cast<uint32_t>(index));
  return request;
}

Request neighbour_request(uint16_t type, uint16_t flags, const IpAddress& address, int uplink) {
  Request request(type, flags);
  ndmsg header = {};
  header.ndm_family = static_cast<unsigned char>(address.family);
  header.ndm_ifindex = uplink;
  // A question with a state is refused.
  header.ndm_state = type == RTM_GETNEIGH ? 0 : NUD_PERMANENT;
  header.ndm_flags = NTF_PROXY;
  request.header(header);
  request.attribute(NDA_DST, address.bytes, address.size());
  return request;
}

}  // namespace

void add_address(Netlink& netlink, int index, const IpAddress& address) {
  Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
  ifaddrmsg header = {};
  header.ifa_family = static_cast<unsigned char>(address.family);
  header.ifa_prefixlen = address.bits();
  header.ifa_scope = RT_SCOPE_UNIVERSE;
  header.ifa_flags = address.is_v6() ? IFA_F_NODAD : 0;
  header.ifa_index = static_cast<uint32_t>(index);
  request.header(header);
  request.attribute(IFA_LOCAL, address.bytes, address.size());
  request.attribute(IFA_ADDRESS, address.bytes, address.size());
  netlink.talk("give the link its address", "link " + std::to_string(index), request);
}

void add_default_route(Netlink& netlink, int index, int family) {
  Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  rtmsg header = {};
  header.rtm_family = static_cast<unsigned char>(family);
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = family == AF_INET6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  header.rtm_type = RTN_UNICAST;
  if (family == AF_INET6) header.rtm_flags = RTNH_F_ONLINK;
  request.header(header);
  IpAddress gateway = gateway6();
  if (family == AF_INET6) request.attribute(RTA_GATEWAY, gateway.bytes, gateway.size());
  request.attribute(RTA_OIF, static_cast<uint32_t>(index));
  netlink.talk("add the default route inside", "link " + std::to_string(index), request);
}

int routed_to(Netlink& netlink, const IpAddress& address) {
  Request request(RTM_GETROUTE, 0);
  rtmsg header = {};
  header.rtm_family = static_cast<unsigned char>(address.family);
  header.rtm_dst_len = address.bits();
  // Asked for IPv6, a table is refused.
  header.rtm_flags = address.is_v6() ? RTM_F_FIB_MATCH : RTM_F_FIB_MATCH | RTM_F_LOOKUP_TABLE;
  request.header(header);
  request.attribute(RTA_DST, address.bytes, address.size());
  Reply reply;
  if (netlink.ask(request, reply) != 0) return 0;
  size_t size = 0;
  const void* found = reply.attribute(sizeof(rtmsg), RTA_OIF, &size);
  const auto* route = reply.header<rtmsg>();
  if (found == nullptr || size != sizeof(int) || route == nullptr || route->rtm_dst_len != address.bits()) return 0;
  int index = 0;
  std::memcpy(&index, found, sizeof index);
  return index;
}

void add_host_route(Netlink& netlink, const IpAddress& address, int index) {
  Request request = route_request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, address, index);
  if (netlink.talk("add host route", {}, request, EEXIST) == 0) return;
  if (routed_to(netlink, address) != index) fail("add host route", "netlink", {}, EEXIST);
}

void delete_host_route(Netlink& netlink, const IpAddress& address, int index) {
  Request request = route_request(RTM_DELROUTE, 0, address, index);
  netlink.talk("delete host route", {}, request, ESRCH);
}

void add_proxy_neighbour(Netlink& netlink, const IpAddress& address, int uplink) {
  Request request = neighbour_request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, address, uplink);
  netlink.talk("add proxy neighbour", {}, request);
}

void delete_proxy_neighbour(Netlink& netlink, const IpAddress& address, int uplink) {
  Request request = neighbour_request(RTM_DELNEIGH, 0, address, uplink);
  netlink.talk("delete proxy neighbour", {}, request, ENOENT);
}

bool has_proxy_neighbour(Netlink& netlink, const IpAddress& address, int uplink) {
  Request request = neighbour_request(RTM_GETNEIGH, 0, address, uplink);
  Reply reply;
  return netlink.ask(request, reply) != ENOENT;
}

namespace {

Fd watch_groups(const char* step, int protocol, uint32_t groups) {
  Fd watching(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  if (!watching) fail(step, "socket");
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (::bind(watching.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail(step, "bind");
  return watching;
}

}  // namespace

Fd watch_routes() {
  return watch_groups("watch routes", NETLINK_ROUTE, RTMGRP_LINK | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE);
}

Fd watch_rules() { return watch_groups("watch nft rules", NETLINK_NETFILTER, 1U << (NFNLGRP_NFTABLES - 1)); }

}  // namespace metactl
