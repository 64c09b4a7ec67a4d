// Entering the namespaces of a running sandbox.
#pragma once

namespace metactl {

/// Enters mount, IPC, UTS, network and cgroup namespace of the process behind kFdTarget; children of this process will be
/// in its PID namespace. The root becomes the sandbox's. Ends the process on failure.
void enter_sandbox();

}  // namespace metactl
