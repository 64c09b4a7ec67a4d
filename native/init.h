#pragma once

namespace metactl {

/// All of metactl-init; never returns.
[[noreturn]] void run();

}  // namespace metactl
