// Addresses, host routes and proxy neighbours by netlink, of both families.
#pragma once

#include "ip_address.h"
#include "netlink.h"

namespace metactl {

/// Gives a link one address (/32, /128). IPv6: without duplicate address detection, which would take a second.
void add_address(Netlink& netlink, int index, const IpAddress& address);

/// Everything goes by the link: IPv4 without a gateway, IPv6 to `gateway6` on it.
void add_default_route(Netlink& netlink, int index, int family);

/// Route to one address on a link. Fails with EEXIST where the address is routed to another link already.
void add_host_route(Netlink& netlink, const IpAddress& address, int index);
void delete_host_route(Netlink& netlink, const IpAddress& address, int index);

/// The link that the route to exactly this address uses; 0 where there is none.
int routed_to(Netlink& netlink, const IpAddress& address);

/// Permanent entry that makes the kernel answer for `address` on `uplink` (ARP requests, neighbour solicitations).
void add_proxy_neighbour(Netlink& netlink, const IpAddress& address, int uplink);
void delete_proxy_neighbour(Netlink& netlink, const IpAddress& address, int uplink);
/// True also where the kernel can't tell (before Linux 5.0).
bool has_proxy_neighbour(Netlink& netlink, const IpAddress& address, int uplink);

/// A non-blocking socket that hears of every change of links and routes of the calling thread's network namespace.
Fd watch_routes();

/// The same for nf_tables.
Fd watch_rules();

}  // namespace metactl
