// Network namespaces. Each job runs on a thread of its own that ends with it: setns and unshare never touch Node's.
#pragma once

#include <memory>
#include <string>

#include "fd.h"
#include "ip_address.h"
#include "netlink.h"
#include "own_thread.h"

namespace metactl {

/// Makes a network namespace and pins it by a bind mount on `path`, an existing regular file. @returns its descriptor.
Fd make_netns(const std::string& path);

/// A network namespace without a name, made beside the caller: half of the time that the kernel needs for an app's network.
class NetnsJob {
 public:
  NetnsJob();
  /// Waits for it. @returns its descriptor. Once.
  Fd finish();

 private:
  Fd made_;
  // Last: it uses the other, and is joined before that goes.
  OwnThread thread_;
};

/// As `make_netns`, with a veth pair: `host_link` on this side (left down), `veth0` with the addresses inside, all
/// of the inside configured and up. The kernel needs a millisecond for it, during which the caller may
/// do something else.
class NetworkJob {
 public:
  /// `begun`: a namespace to take instead of a new one, perhaps still being made. `with_sysfs`: see Network.
  NetworkJob(const std::string& path, const std::string& host_link, const IpAddresses& addresses,
             const std::shared_ptr<NetnsJob>& begun, bool with_sysfs);

  struct Network {
    Fd netns;
    /// Keeps the file system that /sys is in that namespace, though nothing is mounted yet: whoever mounts it there gets this
    /// one. To make it, the kernel looks through those of all other network namespaces. Empty before Linux 5.2.
    Fd sysfs;
  };

  /// Waits for it. Once.
  Network finish();

 private:
  Fd target_;
  /// Its own: the caller may use the thread's meanwhile. A socket stays in the namespace where it was made.
  Netlink host_{NETLINK_ROUTE};
  Network made_;
  // Last: it uses the others, and is joined before they go.
  OwnThread thread_;
};

/// Makes what is missing of the above in a namespace that is there already, the veth pair included.
void repair_network(int netns, const std::string& host_link, const IpAddresses& addresses);

/// Opens a pinned namespace. @returns an empty Fd where `path` isn't there or pins nothing.
Fd open_netns(const std::string& path);

/// Makes `directory` a shared mount point, as iproute2 does, so that namespaces pinned in it reach all mount namespaces.
void prepare_netns_directory(const std::string& directory);

/// A socket that lives in the namespace behind `netns` while the caller stays where it is.
Fd socket_in_netns(int netns, int domain, int type, int protocol);

}  // namespace metactl
