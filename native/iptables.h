// Rules of iptables-legacy, which nf_tables does not show.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace metactl {

/// A table as the kernel gives it (linux/netfilter_ipv4/ip_tables.h): where the chain of the forward hook begins, and all
/// entries.
struct IptablesTable {
  uint32_t forward;
  std::vector<unsigned char> entries;
};

/// @returns whether the table could be read; asking for one that isn't loaded would load it.
bool read_iptables(const std::string& name, bool ipv6, IptablesTable& table);

}  // namespace metactl
