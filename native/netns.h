// Network namespaces. Each job runs on a thread of its own that ends with it: setns and unshare never touch Node's.
#pragma once

#include <string>

#include "fd.h"

namespace metactl {

/// Makes a network namespace and pins it by a bind mount on `path`, an existing regular file. @returns its descriptor.
Fd make_netns(const std::string& path);

/// A socket that lives in the namespace behind `netns` while the caller stays where it is.
Fd socket_in_netns(int netns, int domain, int type, int protocol);

}  // namespace metactl
