// Links, routes and proxy neighbours by netlink. Addresses are IPv4 in network byte order.
#pragma once

#include <cstdint>
#include <string>

#include "netlink.h"

namespace metactl {

struct Link {
  /// 0: there is no such link.
  int index = 0;
  std::string alias;
};

Link find_link(Netlink& netlink, const std::string& name);

/// A veth pair, both ends down: `name` here, `veth0` in the namespace behind `netns`. Never up in the same message: the
/// first end would open before its peer is linked to it.
void add_veth(Netlink& netlink, const std::string& name, int netns);

/// Brings a link up; with a non-empty `alias` names it too.
void set_up(Netlink& netlink, int index, const std::string& alias);

void delete_link(Netlink& netlink, int index);

/// Route to one address on a link. Fails with EEXIST where the address is routed to another link already.
void add_host_route(Netlink& netlink, uint32_t address, int index);
void delete_host_route(Netlink& netlink, uint32_t address, int index);

/// Permanent entry that makes the kernel answer ARP requests for `address` on `uplink`.
void add_proxy_neighbour(Netlink& netlink, uint32_t address, int uplink);
void delete_proxy_neighbour(Netlink& netlink, uint32_t address, int uplink);

/// Whether nftables has a table `name` of the family inet.
bool has_nft_table(const std::string& name);

/// Tells everybody on the link's network that `address` is here now (a gratuitous ARP request). Nothing where the link
/// has no Ethernet addresses.
void announce(int index, uint32_t address);

}  // namespace metactl
