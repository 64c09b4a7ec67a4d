#include "link.h"

#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "inside.h"
#include "sys_error.h"

namespace metactl {

namespace {

constexpr size_t ADDRESS_SIZE = 4;

rtmsg host_route() {
  rtmsg header = {};
  header.rtm_family = AF_INET;
  header.rtm_dst_len = 32;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = RT_SCOPE_LINK;
  header.rtm_type = RTN_UNICAST;
  return header;
}

/// The link that the route to exactly this address uses; 0 where there is none.
int routed_to(Netlink& netlink, uint32_t address) {
  Request request(RTM_GETROUTE, 0);
  rtmsg header = {};
  header.rtm_family = AF_INET;
  header.rtm_dst_len = 32;
  header.rtm_flags = RTM_F_FIB_MATCH | RTM_F_LOOKUP_TABLE;
  request.header(header);
  request.attribute(RTA_DST, &address, ADDRESS_SIZE);
  Reply reply;
  if (netlink.ask(request, reply) != 0) return 0;
  size_t size = 0;
  const void* found = reply.attribute(sizeof(rtmsg), RTA_OIF, &size);
  const auto* route = reply.header<rtmsg>();
  if (found == nullptr || size != sizeof(int) || route == nullptr || route->rtm_dst_len != 32) return 0;
  int index = 0;
  std::memcpy(&index, found, sizeof index);
  return index;
}

Request neighbour_request(uint16_t type, uint16_t flags, uint32_t address, int uplink) {
  Request request(type, flags);
  ndmsg header = {};
  header.ndm_family = AF_INET;
  header.ndm_ifindex = uplink;
  header.ndm_state = NUD_PERMANENT;
  header.ndm_flags = NTF_PROXY;
  request.header(header);
  request.attribute(NDA_DST, &address, ADDRESS_SIZE);
  return request;
}

}  // namespace

Link find_link(Netlink& netlink, const std::string& name) {
  Request request(RTM_GETLINK, 0);
  request.header(ifinfomsg{});
  request.attribute(IFLA_IFNAME, name);
  request.attribute(IFLA_EXT_MASK, static_cast<uint32_t>(RTEXT_FILTER_SKIP_STATS));
  Reply reply;
  int error = netlink.ask(request, reply);
  if (error == ENODEV) return {};
  if (error != 0) fail("look up link", "netlink", name, error);
  Link link;
  const auto* header = reply.header<ifinfomsg>();
  if (header == nullptr) fail("look up link", "netlink", name, EPROTO);
  link.index = header->ifi_index;
  size_t size = 0;
  const void* alias = reply.attribute(sizeof(ifinfomsg), IFLA_IFALIAS, &size);
  if (alias != nullptr) link.alias.assign(static_cast<const char*>(alias), strnlen(static_cast<const char*>(alias), size));
  return link;
}

void add_veth(Netlink& netlink, const std::string& name, int netns) {
  Request request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  request.header(ifinfomsg{});
  request.attribute(IFLA_IFNAME, name);
  size_t info = request.begin(IFLA_LINKINFO);
  request.attribute(IFLA_INFO_KIND, "veth", 4);
  size_t data = request.begin(IFLA_INFO_DATA);
  size_t peer = request.begin(VETH_INFO_PEER);
  request.header(ifinfomsg{});
  request.attribute(IFLA_IFNAME, std::string(INSIDE_LINK));
  request.attribute(IFLA_NET_NS_FD, static_cast<uint32_t>(netns));
  request.end(peer);
  request.end(data);
  request.end(info);
  netlink.talk("make veth pair", name, request);
}

void set_up(Netlink& netlink, int index, const std::string& alias) {
  Request request(RTM_SETLINK, 0);
  ifinfomsg header = {};
  header.ifi_index = index;
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  request.header(header);
  if (!alias.empty()) request.attribute(IFLA_IFALIAS, alias.data(), alias.size());
  netlink.talk("bring link up", alias, request);
}

void delete_link(Netlink& netlink, int index) {
  Request request(RTM_DELLINK, 0);
  ifinfomsg header = {};
  header.ifi_index = index;
  request.header(header);
  netlink.talk("delete link", "link " + std::to_string(index), request, ENODEV);
}

void add_host_route(Netlink& netlink, uint32_t address, int index) {
  Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  request.header(host_route());
  request.attribute(RTA_DST, &address, ADDRESS_SIZE);
  request.attribute(RTA_OIF, static_cast<uint32_t>(index));
  if (netlink.talk("add host route", {}, request, EEXIST) == 0) return;
  if (routed_to(netlink, address) != index) fail("add host route", "netlink", {}, EEXIST);
}

void delete_host_route(Netlink& netlink, uint32_t address, int index) {
  Request request(RTM_DELROUTE, 0);
  request.header(host_route());
  request.attribute(RTA_DST, &address, ADDRESS_SIZE);
  request.attribute(RTA_OIF, static_cast<uint32_t>(index));
  netlink.talk("delete host route", {}, request, ESRCH);
}

void add_proxy_neighbour(Netlink& netlink, uint32_t address, int uplink) {
  Request request = neighbour_request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, address, uplink);
  netlink.talk("add proxy neighbour", {}, request);
}

void delete_proxy_neighbour(Netlink& netlink, uint32_t address, int uplink) {
  Request request = neighbour_request(RTM_DELNEIGH, 0, address, uplink);
  netlink.talk("delete proxy neighbour", {}, request, ENOENT);
}

bool has_nft_table(const std::string& name) {
  Netlink netlink(NETLINK_NETFILTER);
  Request request((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETTABLE, 0);
  nfgenmsg header = {};
  header.nfgen_family = NFPROTO_INET;
  header.version = NFNETLINK_V0;
  request.header(header);
  request.attribute(NFTA_TABLE_NAME, name);
  Reply reply;
  return netlink.ask(request, reply) == 0;
}

}  // namespace metactl
