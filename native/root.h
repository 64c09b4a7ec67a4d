// The sandbox's file system: carries out the plan's steps, masks, and makes the result this process's root.
#pragma once

#include "plan.h"

namespace metactl {

/// Must be called in a mount namespace of its own. Ends the process where a step fails.
void build_root(const Plan& plan);

}  // namespace metactl
