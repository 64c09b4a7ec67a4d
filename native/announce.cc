// ARP on the uplink: a gratuitous request, so that caches of other servers forget where an address was before, the
// question who has one, and a socket that hears who claims one.
#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include "fd.h"
#include "link.h"
#include "sys_error.h"

namespace metactl {

namespace {

/// An ARP packet for IPv4 over Ethernet (RFC 826).
struct __attribute__((packed)) ArpPacket {
  uint16_t hardware_type;
  uint16_t protocol;
  uint8_t hardware_size;
  uint8_t address_size;
  uint16_t operation;
  uint8_t sender_hardware[ETH_ALEN];
  uint32_t sender;
  uint8_t target_hardware[ETH_ALEN];
  uint32_t target;
};
static_assert(sizeof(ArpPacket) == 28, "RFC 826");

/// One for the process: closing a packet socket waits for an RCU grace period, which is many launches long. Protocol 0:
/// it receives nothing.
int packet_socket() {
  static Fd socket(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) fail("send an ARP request", "socket");
  return socket.get();
}

/// An ARP request from the link's own hardware address to everybody. Nothing where the link has no Ethernet addresses.
void ask_everybody(int index, uint32_t sender, uint32_t target) {
  int socket = packet_socket();
  ifreq link = {};
  link.ifr_ifindex = index;
  if (::ioctl(socket, SIOCGIFNAME, &link) != 0) fail("send an ARP request", "ioctl");
  if (::ioctl(socket, SIOCGIFHWADDR, &link) != 0) fail("send an ARP request", "ioctl", link.ifr_name);
  if (link.ifr_hwaddr.sa_family != ARPHRD_ETHER) return;
  ArpPacket packet = {};
  packet.hardware_type = htons(ARPHRD_ETHER);
  packet.protocol = htons(ETH_P_IP);
  packet.hardware_size = ETH_ALEN;
  packet.address_size = sizeof target;
  packet.operation = htons(ARPOP_REQUEST);
  std::memcpy(packet.sender_hardware, link.ifr_hwaddr.sa_data, ETH_ALEN);
  packet.sender = sender;
  packet.target = target;
  sockaddr_ll everybody = {};
  everybody.sll_family = AF_PACKET;
  everybody.sll_protocol = htons(ETH_P_ARP);
  everybody.sll_ifindex = index;
  everybody.sll_halen = ETH_ALEN;
  std::memset(everybody.sll_addr, 0xff, ETH_ALEN);
  if (::sendto(socket, &packet, sizeof packet, 0, reinterpret_cast<sockaddr*>(&everybody), sizeof everybody) < 0) {
    fail("send an ARP request", "sendto", link.ifr_name);
  }
}

}  // namespace

void announce(int index, uint32_t address) { ask_everybody(index, address, address); }

void probe(int index, uint32_t address) { ask_everybody(index, 0, address); }

Fd listen_arp(int index) {
  Fd socket(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) fail("listen for ARP", "socket");
  sockaddr_ll link = {};
  link.sll_family = AF_PACKET;
  link.sll_protocol = htons(ETH_P_ARP);
  link.sll_ifindex = index;
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&link), sizeof link) != 0) fail("listen for ARP", "bind");
  return socket;
}

}  // namespace metactl
