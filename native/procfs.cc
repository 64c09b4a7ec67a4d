#include "procfs.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mutex>

#include "fd.h"
#include "sys_error.h"

namespace metactl {

namespace {

/// After so many look-ups the instance's own cache is thrown away with it.
constexpr int USES = 32;

Fd mount_procfs() {
  Fd context(static_cast<int>(::syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC)));
  if (!context) return Fd();
  if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return Fd();
  return Fd(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0)));
}

}  // namespace

int own_procfs() {
  static std::mutex mutex;
  static Fd root;
  static int uses = 0;
  std::lock_guard<std::mutex> guard(mutex);
  if (uses++ % USES == 0 || !root) root = mount_procfs();
  if (!root) root = Fd(::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) fail("open procfs", "open", "/proc");
  return root.get();
}

}  // namespace metactl
