// The IPv6 half of announce.h.
#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>

#include <cstddef>
#include <cstring>

#include "announce.h"
#include "sys_error.h"

namespace metactl {

namespace {

/// An IPv6 packet with a neighbour solicitation or advertisement (RFC 4861, 4.3 and 4.4; both have this form), and one
/// option that holds a hardware address.
struct __attribute__((packed)) NeighbourPacket {
  ip6_hdr ip;
  uint8_t type;
  uint8_t code;
  uint16_t checksum;
  uint32_t flags;
  unsigned char target[16];
  uint8_t option;
  uint8_t option_length;
  unsigned char hardware[ETH_ALEN];
};
static_assert(sizeof(NeighbourPacket) == 40 + 24 + 8, "RFC 8200, RFC 4861");

/// Neighbour discovery believes only what no router has passed on.
constexpr uint8_t kHopLimit = 255;

void sum(const unsigned char* bytes, size_t from, size_t size, uint32_t& total) {
  for (size_t at = from; at + 1 < from + size; at += 2) total += static_cast<uint32_t>(bytes[at] << 8 | bytes[at + 1]);
}

/// Of the packet with its pseudo-header (RFC 4443, 2.3); `size` of the ICMP message, an even number.
uint16_t checksum(const NeighbourPacket& packet, size_t size) {
  uint32_t total = static_cast<uint32_t>(size) + IPPROTO_ICMPV6;
  const auto* bytes = reinterpret_cast<const unsigned char*>(&packet);
  sum(bytes, offsetof(ip6_hdr, ip6_src), 32, total);
  sum(bytes, sizeof(ip6_hdr), size, total);
  while (total >> 16 != 0) total = (total & 0xffff) + (total >> 16);
  return htons(static_cast<uint16_t>(~total));
}

void send(int index, NeighbourPacket& packet, size_t size) {
  packet.ip.ip6_flow = htonl(6U << 28);
  packet.ip.ip6_plen = htons(static_cast<uint16_t>(size));
  packet.ip.ip6_nxt = IPPROTO_ICMPV6;
  packet.ip.ip6_hlim = kHopLimit;
  packet.checksum = checksum(packet, size);
  // A multicast address maps to an Ethernet address by its last four bytes (RFC 2464, 7).
  EthernetAddress to = {{0x33, 0x33}};
  std::memcpy(to.bytes + 2, packet.ip.ip6_dst.s6_addr + 12, 4);
  send_on_link(index, ETH_P_IPV6, to, &packet, sizeof(ip6_hdr) + size);
}

constexpr size_t kWithOption = sizeof(NeighbourPacket) - sizeof(ip6_hdr);
constexpr size_t kWithoutOption = kWithOption - 8;

uint32_t word(const IpAddress& address, size_t at) {
  uint32_t value = 0;
  std::memcpy(&value, address.bytes + at, sizeof value);
  return ntohl(value);
}

}  // namespace

void advertise_neighbour(int index, const IpAddress& address) {
  EthernetAddress own;
  if (!ethernet_address(index, own)) return;
  NeighbourPacket packet = {};
  std::memcpy(&packet.ip.ip6_src, address.bytes, 16);
  ::inet_pton(AF_INET6, "ff02::1", &packet.ip.ip6_dst);
  packet.type = ND_NEIGHBOR_ADVERT;
  packet.flags = ND_NA_FLAG_OVERRIDE;
  std::memcpy(packet.target, address.bytes, 16);
  packet.option = ND_OPT_TARGET_LINKADDR;
  packet.option_length = 1;
  std::memcpy(packet.hardware, own.bytes, ETH_ALEN);
  send(index, packet, kWithOption);
}

void solicit_neighbour(int index, const IpAddress& address) {
  EthernetAddress own;
  if (!ethernet_address(index, own)) return;
  NeighbourPacket packet = {};
  // From nobody, to the solicited-node address of the one who has it.
  ::inet_pton(AF_INET6, "ff02::1:ff00:0", &packet.ip.ip6_dst);
  std::memcpy(packet.ip.ip6_dst.s6_addr + 13, address.bytes + 13, 3);
  packet.type = ND_NEIGHBOR_SOLICIT;
  std::memcpy(packet.target, address.bytes, 16);
  send(index, packet, kWithoutOption);
}

Fd listen_advertisements(int index, const IpAddress& address) {
  Fd socket(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) fail("listen on the link", "socket");
  // All IPv6 of the link comes by here, and the kernel throws away what is no advertisement of this address.
  constexpr unsigned char kNo = 13;
  auto is = [](unsigned at, unsigned char size, uint32_t value, unsigned char place, sock_filter* out) {
    out[0] = BPF_STMT(static_cast<uint16_t>(BPF_LD | BPF_ABS | size), at);
    out[1] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, static_cast<unsigned char>(kNo - place - 2));
  };
  sock_filter filter[14];
  is(6, BPF_B, IPPROTO_ICMPV6, 0, filter);
  is(40, BPF_B, ND_NEIGHBOR_ADVERT, 2, filter + 2);
  for (unsigned char part = 0; part < 4; part++) {
    is(48 + 4U * part, BPF_W, word(address, 4U * part), static_cast<unsigned char>(4 + 2 * part), filter + 4 + 2 * part);
  }
  filter[12] = BPF_STMT(BPF_RET | BPF_K, 0xffff);
  filter[kNo] = BPF_STMT(BPF_RET | BPF_K, 0);
  sock_fprog program = {sizeof filter / sizeof *filter, filter};
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    fail("listen on the link", "setsockopt");
  }
  return bind_to_link(static_cast<Fd&&>(socket), index, ETH_P_IPV6);
}

}  // namespace metactl
