// Memory of this process that nothing needs.
#pragma once

namespace metactl {

/// Has threads share what malloc keeps: they do little here, and each would keep a part of its own.
void share_arenas();

/// Has V8 collect all garbage and shrink its heap, and gives what malloc and unused stacks keep back to the kernel. Takes some
/// 20 ms.
void release_memory();

}  // namespace metactl
