// Host names to addresses, by the C library: /etc/hosts, nsswitch.conf and all that belongs to them count.
#pragma once

#include <string>
#include <vector>

namespace metactl {

struct Resolved {
  /// 0, or an EAI_ number.
  int error;
  /// errno where `error` is EAI_SYSTEM, else 0.
  int system_error;
  /// As inet_ntop writes them, without a zone, each once.
  std::vector<std::string> addresses;
};

/// All addresses of a name, v4 and v6; blocks as long as the resolvers let it.
Resolved resolve_name(const std::string& name);

}  // namespace metactl
