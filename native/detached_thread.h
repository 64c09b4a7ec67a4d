// Threads that nobody waits for.
#pragma once

namespace metactl {

/// A detached thread that gets no signals: Node's handlers are for Node's threads. @returns an errno or 0.
int start_detached_thread(void* (*body)(void*), void* argument);

}  // namespace metactl
