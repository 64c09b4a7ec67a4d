// One IPv4 or IPv6 address, in network byte order.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace metactl {

struct IpAddress {
  int family = AF_INET;
  unsigned char bytes[16] = {};

  bool is_v6() const { return family == AF_INET6; }
  size_t size() const { return is_v6() ? 16 : 4; }
  uint8_t bits() const { return static_cast<uint8_t>(size() * 8); }
};

/// An app's: at most one of each family.
using IpAddresses = std::vector<IpAddress>;

/// fe80::1, the same on the host end of every app: the gateway of its IPv6. A link-local address is only about its link.
inline IpAddress gateway6() {
  IpAddress address;
  address.family = AF_INET6;
  address.bytes[0] = 0xfe;
  address.bytes[1] = 0x80;
  address.bytes[15] = 1;
  return address;
}

}  // namespace metactl
