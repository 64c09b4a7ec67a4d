// A window of descriptor numbers that this process keeps for handing descriptors to children, so that a child can leave
// the shared descriptor table behind without copying all of it.
#pragma once

namespace metactl {

/// The first number of the window, which is `kFdTrees + kMostTrees + kMostTasks` long; -1 where none could be reserved. The numbers
/// hold /dev/null while nobody uses them.
int fd_window();

/// Begins to reserve it on a thread of its own, which takes 15 to 30 ms of waiting; `fd_window` waits for the end.
void begin_fd_window();

/// Puts /dev/null back into the first `count` numbers.
void clear_fd_window(int count);

}  // namespace metactl
