#include "path.h"

#include <linux/fcntl.h>
#include <linux/stat.h>

#include "kernel.h"
#include "sys.h"

namespace metactl {

namespace {

constexpr unsigned long kNameLimit = 256;

/// What openat2 does in the kernel, for kernels before 5.6: no symlink, no `..`. `flags`: O_DIRECTORY or 0.
long walk(int root, const char* path, int flags) {
  long at = sys::call(__NR_openat, root, sys::arg("."), O_PATH | O_DIRECTORY | O_CLOEXEC);
  while (at >= 0) {
    while (*path == '/') path++;
    if (*path == '\0') return at;
    char name[kNameLimit];
    unsigned long size = 0;
    while (*path != '\0' && *path != '/' && size < kNameLimit - 1) name[size++] = *path++;
    name[size] = '\0';
    bool too_long = *path != '\0' && *path != '/';
    bool parent = size == 2 && name[0] == '.' && name[1] == '.';
    bool last = *path == '\0';
    long next = too_long || parent ? -kernel::kEinval
                                   : sys::openat(static_cast<int>(at), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    sys::close(static_cast<int>(at));
    FileType type = {};
    long status = next < 0 ? next : file_type(static_cast<int>(next), type);
    // Not by O_DIRECTORY, which would make a symlink ENOTDIR where openat2 says ELOOP.
    if (status >= 0 && type.is_symlink()) status = -kernel::kEloop;
    bool directory_only = !last || (flags & O_DIRECTORY) != 0;
    if (status >= 0 && directory_only && !type.is_directory()) status = -kernel::kEnotdir;
    if (status < 0) {
      if (next >= 0) sys::close(static_cast<int>(next));
      return status;
    }
    at = next;
  }
  return at;
}

long open_under(int root, const char* path, int flags, __u64 resolve) {
  kernel::OpenHow how = {};
  // Not O_NOFOLLOW: with it a symlink at the end would be opened itself, without it RESOLVE_NO_SYMLINKS refuses it.
  how.flags = static_cast<__u64>(O_PATH | O_CLOEXEC | flags);
  how.resolve = resolve | kernel::kResolveNoSymlinks | kernel::kResolveNoMagiclinks;
  return sys::call(kernel::kOpenat2, root, sys::arg(path), sys::arg(&how), sizeof how);
}

}  // namespace

long open_inside(int root, const char* path, int flags) {
  long fd = open_under(root, path, flags, kernel::kResolveInRoot);
  return fd == -kernel::kEnosys ? walk(root, path, flags) : fd;
}

long open_host(const char* path) {
  long fd = open_under(kernel::kAtFdcwd, path, 0, 0);
  if (fd != -kernel::kEnosys) return fd;
  long root = sys::openat(kernel::kAtFdcwd, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return root;
  fd = walk(static_cast<int>(root), path, 0);
  sys::close(static_cast<int>(root));
  return fd;
}

long file_type(int fd, FileType& type) {
  struct statx status = {};
  long result = sys::call(__NR_statx, fd, sys::arg(""), kernel::kAtEmptyPath, STATX_TYPE | STATX_MODE, sys::arg(&status));
  if (result < 0) return result;
  type.mode = status.stx_mode;
  type.device_major = status.stx_rdev_major;
  type.device_minor = status.stx_rdev_minor;
  return 0;
}

}  // namespace metactl
