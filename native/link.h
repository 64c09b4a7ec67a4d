// Links by netlink.
#pragma once

#include <cstdint>
#include <string>

#include "fd.h"

#include "netlink.h"

namespace metactl {

struct Link {
  /// 0: there is no such link.
  int index = 0;
  std::string alias;
  bool up = false;
  /// net.ipv4.conf.<link>.forwarding
  bool forwarding = false;
  /// net.ipv4.conf.<link>.rp_filter is 1: what comes by another way than answers go is dropped.
  bool strict = false;
};

/// The calling thread's socket in its own namespace, made once.
Netlink& own_netlink();

Link find_link(Netlink& netlink, const std::string& name);

/// A veth pair, both ends down: `name` here, `veth0` in the namespace behind `netns`. Never up in the same message: the
/// first end would open before its peer is linked to it.
void add_veth(Netlink& netlink, const std::string& name, int netns);

void set_up(Netlink& netlink, int index);

/// The kernel gives the link no IPv6 address of its own when it comes up. Nothing on a kernel without IPv6.
void forbid_ipv6_address(Netlink& netlink, int index);

/// What differs between the host ends of apps.
struct HostEnd {
  /// net.ipv4.conf.<link>.forwarding
  bool forwarding = false;
  /// What the host sends to a published port of 127.0.0.1 may leave by this link, and come back.
  bool route_localnet = false;
};

/// The host end: alias, no IPv6 address of its own accord, strict reverse path filter, proxy ARP without delay; up.
/// All by netlink: in /proc/sys the look-up of `net/ipv4` gets slower with every network namespace that was in it.
void set_up_host_end(Netlink& netlink, const std::string& name, int index, const std::string& alias, HostEnd wanted);

void delete_link(Netlink& netlink, int index);

/// Takes its name from a link that the kernel is about to take away, so that its successor need not wait for it: that
/// takes 20 to 50 ms, longer while other network namespaces end. Nothing depends on it but that wait: it never fails.
void retire_link(Netlink& netlink, int index, const std::string& name);

/// Whether nftables has a table `name` of the family inet.
bool has_nft_table(const std::string& name);

/// The calling thread's socket to nfnetlink, made once.
Netlink& own_nfnetlink();

}  // namespace metactl
