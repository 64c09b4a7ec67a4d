// What is left of metactl-init once the daemon has been forked: a process without rights that waits.
#pragma once

#include "plan.h"

namespace metactl {

/// Gives up everything but CAP_KILL and a handful of system calls.
void give_up_rights(const Plan& plan);

}  // namespace metactl
