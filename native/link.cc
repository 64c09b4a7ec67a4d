#include "link.h"

#include <linux/if_link.h>
#include <linux/ip.h>
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

/// Looks for the attribute `type` among the nested ones in [data, data + size).
const nlattr* nested(const void* data, size_t size, uint16_t type) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (size_t at = 0; at + sizeof(nlattr) <= size;) {
    const auto* found = reinterpret_cast<const nlattr*>(bytes + at);
    if (found->nla_len < sizeof(nlattr) || at + found->nla_len > size) break;
    if ((found->nla_type & NLA_TYPE_MASK) == type) return found;
    at += NLA_ALIGN(found->nla_len);
  }
  return nullptr;
}

/// One of the link's IPv4 settings that the kernel reports: an array of numbers, IPV4_DEVCONF_FORWARDING first. 0: not told.
uint32_t setting_of(const Reply& reply, size_t which) {
  size_t size = 0;
  const void* families = reply.attribute(sizeof(ifinfomsg), IFLA_AF_SPEC, &size);
  if (families == nullptr) return 0;
  const nlattr* inet = nested(families, size, AF_INET);
  if (inet == nullptr) return 0;
  const nlattr* conf = nested(inet + 1, inet->nla_len - sizeof(nlattr), IFLA_INET_CONF);
  uint32_t value = 0;
  if (conf == nullptr || conf->nla_len < sizeof(nlattr) + which * sizeof value) return 0;
  std::memcpy(&value, reinterpret_cast<const uint32_t*>(conf + 1) + which - 1, sizeof value);
  return value;
}

/// ARP's proxy_delay of one link, 0: answers at once.
void answer_at_once(Netlink& netlink, const std::string& name, int index) {
  Request request(RTM_SETNEIGHTBL, 0);
  ndtmsg header = {};
  header.ndtm_family = AF_INET;
  request.header(header);
  request.attribute(NDTA_NAME, std::string("arp_cache"));
  size_t parameters = request.begin(NDTA_PARMS | NLA_F_NESTED);
  uint64_t no_delay = 0;
  request.attribute(NDTPA_IFINDEX, static_cast<uint32_t>(index));
  request.attribute(NDTPA_PROXY_DELAY, &no_delay, sizeof no_delay);
  request.end(parameters);
  netlink.talk("set proxy_delay", name, request);
}

ifinfomsg up(int index) {
  ifinfomsg header = {};
  header.ifi_index = index;
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  return header;
}

ifinfomsg only(int index) {
  ifinfomsg header = {};
  header.ifi_index = index;
  return header;
}

/// No link-local address, so none at all.
void no_ipv6_address(Request& request) {
  size_t inet6 = request.begin(AF_INET6 | NLA_F_NESTED);
  uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
  request.attribute(IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof mode);
  request.end(inet6);
}

/// @returns 0 or EAFNOSUPPORT, which is what a kernel without IPv6 says of a message that mentions it.
int configure_host_end(Netlink& netlink, const std::string& name, int index, const std::string& alias, HostEnd wanted,
                       bool ipv6) {
  Request request(RTM_SETLINK, 0);
  request.header(only(index));
  request.attribute(IFLA_IFALIAS, alias.data(), alias.size());
  size_t families = request.begin(IFLA_AF_SPEC | NLA_F_NESTED);
  size_t inet = request.begin(AF_INET | NLA_F_NESTED);
  size_t conf = request.begin(IFLA_INET_CONF | NLA_F_NESTED);
  // Also off, explicitly: a new link inherits the host's default.
  request.attribute(IPV4_DEVCONF_FORWARDING, wanted.forwarding ? 1U : 0U);
  request.attribute(IPV4_DEVCONF_PROXY_ARP, 1U);
  request.attribute(IPV4_DEVCONF_RP_FILTER, 1U);
  request.attribute(IPV4_DEVCONF_ROUTE_LOCALNET, wanted.route_localnet ? 1U : 0U);
  request.end(conf);
  request.end(inet);
  if (ipv6) no_ipv6_address(request);
  request.end(families);
  return netlink.talk("configure the host end", name, request, ipv6 ? EAFNOSUPPORT : 0);
}

/// One queue each way: a veth pair gets as many as there are CPUs, each with objects in sysfs, and uses none of them.
void one_queue(Request& request) {
  request.attribute(IFLA_NUM_TX_QUEUES, 1U);
  request.attribute(IFLA_NUM_RX_QUEUES, 1U);
}

}  // namespace

Netlink& own_netlink() {
  // Of the thread, because one socket's questions and answers must not mix.
  thread_local Netlink netlink(NETLINK_ROUTE);
  return netlink;
}

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
  link.up = (header->ifi_flags & IFF_UP) != 0;
  size_t size = 0;
  const void* alias = reply.attribute(sizeof(ifinfomsg), IFLA_IFALIAS, &size);
  if (alias != nullptr) link.alias.assign(static_cast<const char*>(alias), strnlen(static_cast<const char*>(alias), size));
  link.forwarding = setting_of(reply, IPV4_DEVCONF_FORWARDING) != 0;
  link.strict = setting_of(reply, IPV4_DEVCONF_RP_FILTER) == 1;
  return link;
}

void add_veth(Netlink& netlink, const std::string& name, int netns) {
  Request request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  request.header(ifinfomsg{});
  request.attribute(IFLA_IFNAME, name);
  one_queue(request);
  size_t info = request.begin(IFLA_LINKINFO);
  request.attribute(IFLA_INFO_KIND, "veth", 4);
  size_t data = request.begin(IFLA_INFO_DATA);
  size_t peer = request.begin(VETH_INFO_PEER);
  request.header(ifinfomsg{});
  request.attribute(IFLA_IFNAME, std::string(INSIDE_LINK));
  one_queue(request);
  request.attribute(IFLA_NET_NS_FD, static_cast<uint32_t>(netns));
  request.end(peer);
  request.end(data);
  request.end(info);
  netlink.talk("make veth pair", name, request);
}

void set_up(Netlink& netlink, int index) {
  Request request(RTM_SETLINK, 0);
  request.header(up(index));
  netlink.talk("bring link up", "link " + std::to_string(index), request);
}

void forbid_ipv6_address(Netlink& netlink, int index) {
  Request request(RTM_SETLINK, 0);
  request.header(only(index));
  size_t families = request.begin(IFLA_AF_SPEC | NLA_F_NESTED);
  no_ipv6_address(request);
  request.end(families);
  netlink.talk("configure link", "link " + std::to_string(index), request, EAFNOSUPPORT);
}

void set_up_host_end(Netlink& netlink, const std::string& name, int index, const std::string& alias, HostEnd wanted) {
  answer_at_once(netlink, name, index);
  // Before it comes up, so in a message of its own: one that does both brings it up first. The alias too: given to a link
  // that is up but has no carrier yet, it would make the kernel look through all IPv6 routes of the host.
  if (configure_host_end(netlink, name, index, alias, wanted, true) != 0) {
    configure_host_end(netlink, name, index, alias, wanted, false);
  }
  Request request(RTM_SETLINK, 0);
  request.header(up(index));
  netlink.talk("bring the host end up", name, request);
}

void delete_link(Netlink& netlink, int index) {
  Request request(RTM_DELLINK, 0);
  ifinfomsg header = {};
  header.ifi_index = index;
  request.header(header);
  netlink.talk("delete link", "link " + std::to_string(index), request, ENODEV);
}

void retire_link(Netlink& netlink, int index, const std::string& name) {
  Request rename(RTM_SETLINK, 0);
  rename.header(only(index));
  rename.attribute(IFLA_IFNAME, name);
  if (netlink.acknowledged(rename) != EBUSY) return;
  // Before Linux 6.2 a link that is up keeps its name.
  Request down(RTM_SETLINK, 0);
  ifinfomsg header = only(index);
  header.ifi_change = IFF_UP;
  down.header(header);
  if (netlink.acknowledged(down) == 0) (void)netlink.acknowledged(rename);
}

Netlink& own_nfnetlink() {
  thread_local Netlink netlink(NETLINK_NETFILTER);
  return netlink;
}

bool has_nft_table(const std::string& name) {
  Request request((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETTABLE, 0);
  nfgenmsg header = {};
  header.nfgen_family = NFPROTO_INET;
  header.version = NFNETLINK_V0;
  request.header(header);
  request.attribute(NFTA_TABLE_NAME, name);
  Reply reply;
  return own_nfnetlink().ask(request, reply) == 0;
}

}  // namespace metactl
