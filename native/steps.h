// One step of building the root.
#pragma once

#include "plan.h"

namespace metactl {

/// Carries a step out under `root`. Ends the process where it fails.
void carry_out(const Step& step, int root, const Plan& plan);

/// The first bind, for kernels without open_tree or mount_setattr. @returns a descriptor of the new root.
long open_new_root_by_mount(int source, unsigned attributes);

}  // namespace metactl
