// A window of descriptor numbers that this process keeps for handing descriptors to children, so that a child can leave
// the shared descriptor table behind without copying all of it.
#pragma once

namespace metactl {

/// The first number of the window, which is `kFdTrees + kMostTrees` long; -1 where none could be reserved. The numbers
/// hold /dev/null while nobody uses them.
int fd_window();

/// Puts /dev/null back into the first `count` numbers.
void clear_fd_window(int count);

}  // namespace metactl
