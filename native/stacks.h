// Stacks of this process's threads.
#pragma once

namespace metactl {

/// Gives the kernel back what the other threads' stacks hold below where they are now: with transparent huge pages a stack of
/// which two pages were ever used takes two megabytes. Each thread does it itself, in a moment of its own.
void release_stacks();

}  // namespace metactl
