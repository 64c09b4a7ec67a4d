#pragma once

#include <linux/types.h>

namespace metactl {

/// Makes the next process of this PID namespace get `pid`, and later ones those above it; `root` is the new root, with a
/// writable /proc. Programs of one app name files after their pid in the /tmp that its sandboxes share (a JVM its attach
/// socket), so it is better if pids differ. Nothing else depends on it: where the kernel can't, nothing happens.
void set_next_pid(int root, __u32 pid);

}  // namespace metactl
