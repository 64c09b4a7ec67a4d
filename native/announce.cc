#include "announce.h"

#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <string>

#include "fd.h"
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

/// An ARP request from the link's own hardware address to everybody. Nothing where the link has no Ethernet addresses.
void ask_everybody(int index, uint32_t sender, uint32_t target) {
  EthernetAddress own;
  if (!ethernet_address(index, own)) return;
  ArpPacket packet = {};
  packet.hardware_type = htons(ARPHRD_ETHER);
  packet.protocol = htons(ETH_P_IP);
  packet.hardware_size = ETH_ALEN;
  packet.address_size = sizeof target;
  packet.operation = htons(ARPOP_REQUEST);
  std::memcpy(packet.sender_hardware, own.bytes, ETH_ALEN);
  packet.sender = sender;
  packet.target = target;
  EthernetAddress everybody;
  std::memset(everybody.bytes, 0xff, ETH_ALEN);
  send_on_link(index, ETH_P_ARP, everybody, &packet, sizeof packet);
}

uint32_t as_number(const IpAddress& address) {
  uint32_t number = 0;
  std::memcpy(&number, address.bytes, sizeof number);
  return number;
}

}  // namespace

int packet_socket() {
  static Fd socket(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) fail("send on the link", "socket");
  return socket.get();
}

bool ethernet_address(int index, EthernetAddress& address) {
  ifreq link = {};
  link.ifr_ifindex = index;
  if (::ioctl(packet_socket(), SIOCGIFNAME, &link) != 0) fail("send on the link", "ioctl");
  if (::ioctl(packet_socket(), SIOCGIFHWADDR, &link) != 0) fail("send on the link", "ioctl", link.ifr_name);
  if (link.ifr_hwaddr.sa_family != ARPHRD_ETHER) return false;
  std::memcpy(address.bytes, link.ifr_hwaddr.sa_data, ETH_ALEN);
  return true;
}

void send_on_link(int index, uint16_t protocol, const EthernetAddress& to, const void* packet, size_t size) {
  sockaddr_ll link = {};
  link.sll_family = AF_PACKET;
  link.sll_protocol = htons(protocol);
  link.sll_ifindex = index;
  link.sll_halen = ETH_ALEN;
  std::memcpy(link.sll_addr, to.bytes, ETH_ALEN);
  if (::sendto(packet_socket(), packet, size, 0, reinterpret_cast<sockaddr*>(&link), sizeof link) < 0) {
    fail("send on the link", "sendto", "link " + std::to_string(index));
  }
}

Fd bind_to_link(Fd socket, int index, uint16_t protocol) {
  sockaddr_ll link = {};
  link.sll_family = AF_PACKET;
  link.sll_protocol = htons(protocol);
  link.sll_ifindex = index;
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&link), sizeof link) != 0) fail("listen on the link", "bind");
  return socket;
}

void announce(int index, const IpAddress& address) {
  if (address.is_v6()) return advertise_neighbour(index, address);
  ask_everybody(index, as_number(address), as_number(address));
}

void probe(int index, const IpAddress& address) {
  if (address.is_v6()) return solicit_neighbour(index, address);
  ask_everybody(index, 0, as_number(address));
}

Fd listen_claims(int index, const IpAddress& address) {
  if (address.is_v6()) return listen_advertisements(index, address);
  Fd socket(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) fail("listen on the link", "socket");
  return bind_to_link(static_cast<Fd&&>(socket), index, ETH_P_ARP);
}

}  // namespace metactl
