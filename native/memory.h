// Memory of this process that nothing needs.
#pragma once

namespace metactl {

/// Has threads share what malloc keeps: they do little here, and each would keep a part of its own.
void share_arenas();

/// Has V8 collect all garbage and shrink its heap, and gives what malloc keeps back to the kernel, with `stacks` also what is unused
/// of these: that interrupts all threads. Takes some 20 ms.
void release_memory(bool stacks);

}  // namespace metactl
