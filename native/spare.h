// A metactl-init that is made before anybody needs it. All that a start of its daemon takes is done, up to the daemon's
// process itself. It is in none of the daemon's cgroups until then, so that nobody counts it as the daemon's.
#pragma once

namespace metactl {

/// Waits for an OrderRecord at kFdOrder, then enters the cgroups that came with it. Ends this process where nobody will ask
/// any more, or the supervisor is gone.
void wait_for_order();

}  // namespace metactl
