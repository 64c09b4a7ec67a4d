#pragma once

namespace metactl {

/// Brings `lo` up in this process's network namespace. Ends the process on failure.
void bring_loopback_up();

}  // namespace metactl
