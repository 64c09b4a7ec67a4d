#include "mount.h"

#include <linux/fcntl.h>

#include "kernel.h"
#include "path.h"
#include "sys.h"

namespace metactl {

namespace {

/// mount(2) on the directory or file behind a descriptor. The magic link leads to exactly that one; /proc is the host's,
/// since this process keeps its old root until the pivot.
long mount_on(int target, const char* source, const char* type, unsigned long flags, const char* data) {
  FdPath path(target);
  return sys::call(__NR_mount, sys::arg(source), sys::arg(path.text), sys::arg(type), static_cast<long>(flags),
                   sys::arg(data));
}

/// struct statfs as all 64-bit Linux has it; only the flags are read.
struct Statfs {
  long before_flags[10];
  long flags;
  long spare[8];
};

long add_attributes_by_remount(int fd, unsigned attributes) {
  // A remount sets all flags, so those that are there already must be given again. ST_RDONLY, ST_NOSUID, ST_NODEV and
  // ST_NOEXEC have the values of MS_*.
  Statfs status = {};
  long result = sys::call(__NR_fstatfs, fd, sys::arg(&status));
  if (result < 0) return result;
  unsigned long present = static_cast<unsigned long>(status.flags) & kernel::kAttrMask;
  return mount_on(fd, nullptr, nullptr, kernel::kMsRemount | kernel::kMsBind | present | attributes, nullptr);
}

}  // namespace

FdPath::FdPath(int fd) {
  const char* prefix = "/proc/self/fd/";
  unsigned size = 0;
  while (prefix[size] != '\0') {
    text[size] = prefix[size];
    size++;
  }
  char digits[12];
  unsigned count = 0;
  do digits[count++] = static_cast<char>('0' + fd % 10);
  while ((fd /= 10) > 0);
  while (count > 0) text[size++] = digits[--count];
  text[size] = '\0';
}

long clone_tree(int source, bool recursive, unsigned attributes) {
  unsigned flags = kernel::kOpenTreeClone | kernel::kAtEmptyPath | O_CLOEXEC | (recursive ? kernel::kAtRecursive : 0);
  long tree = sys::call(kernel::kOpenTree, source, sys::arg(""), static_cast<long>(flags));
  if (tree < 0) return tree;
  // Private, or what is mounted on the host later would appear inside, and the other way round.
  kernel::MountAttr attr = {attributes, 0, kernel::kMsPrivate, 0};
  long result = sys::call(kernel::kMountSetattr, tree, sys::arg(""),
                          static_cast<long>(kernel::kAtEmptyPath | (recursive ? kernel::kAtRecursive : 0)),
                          sys::arg(&attr), sizeof attr);
  if (result < 0) {
    sys::close(static_cast<int>(tree));
    return result;
  }
  return tree;
}

long clone_host_tree(const char* path, bool recursive, unsigned attributes) {
  long source = open_host(path);
  if (source < 0) return source;
  long tree = clone_tree(static_cast<int>(source), recursive, attributes);
  sys::close(static_cast<int>(source));
  return tree;
}

long map_ids(int tree, bool recursive, int user_namespace) {
  // A negative descriptor would be no error for a kernel that reads it unsigned.
  if (user_namespace < 0) return -kernel::kEinval;
  kernel::MountAttr attr = {kernel::kAttrIdmap, 0, 0, static_cast<__u64>(user_namespace)};
  return sys::call(kernel::kMountSetattr, tree, sys::arg(""),
                   static_cast<long>(kernel::kAtEmptyPath | (recursive ? kernel::kAtRecursive : 0)), sys::arg(&attr),
                   sizeof attr);
}

long attach_tree(int tree, int target) {
  return sys::call(kernel::kMoveMount, tree, sys::arg(""), target, sys::arg(""),
                   kernel::kMoveMountFromEmpty | kernel::kMoveMountToEmpty);
}

long bind(int source, int target, int root, const char* path, bool recursive, unsigned attributes) {
  long tree = clone_tree(source, recursive, attributes);
  if (tree >= 0) {
    long result = attach_tree(static_cast<int>(tree), target);
    sys::close(static_cast<int>(tree));
    return result;
  }
  if (tree != -kernel::kEnosys || (recursive && attributes != 0)) return tree;
  FdPath from(source);
  long result = mount_on(target, from.text, nullptr, kernel::kMsBind | (recursive ? kernel::kMsRec : 0), nullptr);
  if (result < 0 || attributes == 0) return result;
  long mounted = open_inside(root, path, 0);
  if (mounted < 0) return mounted;
  result = add_attributes_by_remount(static_cast<int>(mounted), attributes);
  sys::close(static_cast<int>(mounted));
  return result;
}

long add_attributes(int fd, unsigned attributes) {
  kernel::MountAttr attr = {attributes, 0, 0, 0};
  long result = sys::call(kernel::kMountSetattr, fd, sys::arg(""), kernel::kAtEmptyPath, sys::arg(&attr), sizeof attr);
  return result == -kernel::kEnosys ? add_attributes_by_remount(fd, attributes) : result;
}

long mount_new(int target, const char* type, unsigned attributes, const char* data) {
  // `.` instead of /proc/self/fd, so that it also works where no /proc is there yet.
  long result = sys::fchdir(target);
  if (result < 0) return result;
  return sys::call(__NR_mount, sys::arg("metactl"), sys::arg("."), sys::arg(type), attributes, sys::arg(data));
}

}  // namespace metactl
