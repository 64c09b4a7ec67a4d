// What is said and heard on a link about who has an address: ARP for IPv4 (announce.cc), neighbour discovery for IPv6
// (neighbour.cc).
#pragma once

#include <net/ethernet.h>

#include <cstddef>
#include <cstdint>

#include "fd.h"
#include "ip_address.h"

namespace metactl {

/// Tells everybody on the link's network that `address` is here now, so that caches of other servers forget where it was
/// before: a gratuitous ARP request, an unsolicited neighbour advertisement. Nothing where the link has no Ethernet
/// addresses.
void announce(int index, const IpAddress& address);

/// Asks everybody on the link's network who has `address`, as one who has none (an ARP probe, RFC 5227; a solicitation
/// of duplicate address detection, RFC 4862): no cache learns anything from it.
void probe(int index, const IpAddress& address);

/// A non-blocking socket from which can be read, without a link-layer header, what may claim `address` on the link: each
/// ARP packet (RFC 826), or the neighbour advertisements of that address (RFC 4861) as IPv6 packets.
Fd listen_claims(int index, const IpAddress& address);

struct EthernetAddress {
  unsigned char bytes[ETH_ALEN] = {};
};

/// One for the process: closing a packet socket waits for an RCU grace period, which is many launches long. Protocol 0:
/// it receives nothing.
int packet_socket();

/// @returns false where the link has no Ethernet address.
bool ethernet_address(int index, EthernetAddress& address);

/// Sends a packet of `protocol` (ETH_P_…) without a link-layer header.
void send_on_link(int index, uint16_t protocol, const EthernetAddress& to, const void* packet, size_t size);

Fd bind_to_link(Fd socket, int index, uint16_t protocol);

void advertise_neighbour(int index, const IpAddress& address);
void solicit_neighbour(int index, const IpAddress& address);
Fd listen_advertisements(int index, const IpAddress& address);

}  // namespace metactl
