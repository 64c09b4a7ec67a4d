#include "first_pid.h"

#include <linux/fcntl.h>

#include "path.h"
#include "sys.h"

namespace metactl {

void set_next_pid(int root, __u32 pid) {
  if (pid < 2) return;
  // Absent without CONFIG_CHECKPOINT_RESTORE. What is written counts for the writer's PID namespace, whatever /proc it is.
  long directory = open_inside(root, "/proc/sys/kernel", O_DIRECTORY);
  if (directory < 0) return;
  long file = sys::openat(static_cast<int>(directory), "ns_last_pid", O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
  sys::close(static_cast<int>(directory));
  if (file < 0) return;
  char text[10];
  unsigned at = sizeof text;
  for (__u32 last = pid - 1; last != 0; last /= 10) text[--at] = static_cast<char>('0' + last % 10);
  sys::write(static_cast<int>(file), text + at, sizeof text - at);
  sys::close(static_cast<int>(file));
}

}  // namespace metactl
