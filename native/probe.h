// What this kernel can do, tried for real in children and a namespace that are thrown away, or asked in ways that change
// nothing. For `doctor`.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace metactl {

/// A probe's name and what it met: 0, or a positive errno.
using ProbeResult = std::pair<std::string, int>;

/// Namespaces (`ns mnt`), the seccomp filter and its actions (`seccomp filter`), and system calls (`call openat2`).
std::vector<ProbeResult> probe_kernel();

struct NetworkProbe {
  /// Why there is no namespace to try in, or 0; then the rest is empty.
  int error = 0;
  /// For each kind: 0, or why such a link can't be made.
  std::vector<int> links;
  /// For each batch: what nfnetlink answered.
  std::vector<std::vector<unsigned char>> answers;
};

/// Makes a link of each kind, and sends each batch to nfnetlink, in a network namespace that ends with this call.
NetworkProbe probe_network(const std::vector<std::string>& kinds,
                           const std::vector<std::vector<unsigned char>>& batches);

/// Whether the file system behind each path can show its files under other ids (idmapped mounts): 0, or why not. Tried on
/// mounts that are nowhere attached and go when this returns.
std::vector<int> probe_idmaps(const std::vector<std::string>& paths);

/// The kernel's clock (adjtimex(2)), read only.
struct ClockState {
  bool synchronised;
  /// Microseconds.
  int64_t max_error;
};
ClockState clock_state();

}  // namespace metactl
