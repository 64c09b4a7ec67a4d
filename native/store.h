// Descriptors on their way to a daemon: they wait in a socket, so that however many there are, one number is enough.
#pragma once

#include <vector>

#include "fd.h"

namespace metactl {

struct Store {
  Fd sender;
  Fd receiver;
};

/// A pair of sockets; the receiver's queue holds these descriptors, in their order. Nothing where there are none.
/// Throws SysError.
Store fill_store(const std::vector<int>& descriptors);

/// Whether two descriptors are of the same open file; where the kernel doesn't tell (no kcmp), whether they are of the same inode.
bool is_same_file(int left, int right);

/// Whether nothing can come from a descriptor any more: the other end has hung up, or it is broken.
bool has_hung_up(int fd);

}  // namespace metactl
