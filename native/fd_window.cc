#include "fd_window.h"

#include <fcntl.h>
#include <unistd.h>

#include <system_error>
#include <thread>

#include "fd.h"
#include "protocol.h"

namespace metactl {

namespace {

constexpr int kSize = kFdTrees + static_cast<int>(kMostTrees + kMostTasks);

struct Window {
  int first = -1;
  Fd null;
};

/// Takes `kSize` numbers in a row from `first` on, or none.
bool reserve(int null, int first) {
  // The last one first: a table that has to grow grows once, and each time the kernel waits for an RCU grace period, because
  // other threads read it (fs/file.c: expand_fdtable).
  int top = ::fcntl(null, F_DUPFD_CLOEXEC, first + kSize - 1);
  if (top >= 0) ::close(top);
  for (int i = 0; i < kSize; i++) {
    int taken = ::fcntl(null, F_DUPFD_CLOEXEC, first + i);
    if (taken == first + i) continue;
    if (taken >= 0) ::close(taken);
    while (--i >= 0) ::close(first + i);
    return false;
  }
  return true;
}

Window make_window() {
  Window window;
  window.null = Fd(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!window.null) return window;
  // Low, because the child copies what lies below; above what a process opens at its start.
  for (int first = 64; first <= 4096; first *= 2) {
    if (!reserve(window.null.get(), first)) continue;
    window.first = first;
    break;
  }
  return window;
}

const Window& window() {
  // Never destroyed: a thread may be at it when the process ends.
  static const Window& made = *new Window(make_window());
  return made;
}

}  // namespace

int fd_window() { return window().first; }

void begin_fd_window() {
  try {
    std::thread([] { window(); }).detach();
  } catch (const std::system_error&) {
    // The first launch makes it.
  }
}

void clear_fd_window(int count) {
  for (int i = 0; i < count; i++) ::dup3(window().null.get(), window().first + i, O_CLOEXEC);
}

}  // namespace metactl
