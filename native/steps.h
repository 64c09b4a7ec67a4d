// One step of building the root.
#pragma once

#include "plan.h"

namespace metactl {

/// Carries a step out under `root`. Ends the process where it fails.
void carry_out(const Step& step, int root, const Plan& plan);

/// A descriptor of the topmost mount on this process's own `/`.
int open_top();

/// Binds the new root on `/`, for kernels without open_tree or mount_setattr. @returns a descriptor of it.
int bind_root_by_mount(int source, unsigned attributes);

}  // namespace metactl
