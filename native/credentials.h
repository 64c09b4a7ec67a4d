// What a process may do: one implementation for the daemon, for `exec` and for `shell`, so that none of them can forget
// a part (youki #3434).
#pragma once

#include "plan.h"

namespace metactl {

/// Whether this process may change ids, limits and capabilities at all. Without root there is only plain supervision,
/// and that as whoever started it: then what needs a right is left as it is, and checked.
bool is_privileged();

/// Takes every capability but `keep` out of the bounding set, then sets no_new_privs. Children inherit both.
void shrink_bounding_set(__u64 keep);

/// Resource limits, niceness, umask, user namespace, groups, ids, capabilities: in the order in which each step still has the right to.
void become(const Plan& plan);

/// Working directory and seccomp filter: the last things before execve.
void enter_directory(const Plan& plan);
/// @param log whether the kernel tells of refused calls too.
void install_filter(const Text& program, bool log = false);

/// Sets effective, permitted and inheritable capabilities, and clears the ambient ones. @returns -errno or 0.
long set_capabilities(__u64 permitted, __u64 inheritable);

}  // namespace metactl
