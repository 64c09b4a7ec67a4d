// Blocking connections to a supervisor, for verbs that have nothing else to do than to wait for its answer.
#pragma once

#include <string>

#include "fd.h"

namespace metactl {

/// A stream socket that is connected to the one at `path`. Each call on it, and this one, waits so many milliseconds at most:
/// EAGAIN then.
Fd connect_stream(const std::string& path, int milliseconds);

}  // namespace metactl
