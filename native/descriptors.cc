#include "descriptors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"
#include "sys.h"
#include "sys_error.h"

namespace metactl {

namespace {

void write_all(int fd, const void* data, size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    ssize_t written = ::write(fd, at, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("make anonymous file", "write");
    at += written;
    size -= static_cast<size_t>(written);
  }
}

}  // namespace

Pipe make_pipe(bool nonblocking_read) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail("make pipe", "pipe2");
  Pipe made{Fd(ends[0]), Fd(ends[1])};
  if (nonblocking_read && ::fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) fail("make pipe", "fcntl");
  return made;
}

Fd sealed_memfd(const char* name, const void* data, size_t size, bool executable) {
  // MFD_NOEXEC_SEAL and MFD_EXEC are of Linux 6.3.
  constexpr unsigned kNoexecSeal = 8, kExec = 0x10;
  unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  Fd fd(::memfd_create(name, flags | (executable ? kExec : kNoexecSeal)));
  if (!fd && errno == EINVAL) fd = Fd(::memfd_create(name, flags));
  if (!fd) fail("make anonymous file", "memfd_create", name);
  write_all(fd.get(), data, size);
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    fail("seal anonymous file", "fcntl F_ADD_SEALS", name);
  }
  return fd;
}

FileId file_id(const char* path) {
  // STATX_MNT_ID is of Linux 5.8; before that the field stays 0, and device and inode have to do.
  constexpr unsigned kMountId = 0x1000;
  struct statx status = {};
  long result = sys::call(SYS_statx, AT_FDCWD, sys::arg(path), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
                          static_cast<long>(STATX_INO | kMountId), sys::arg(&status));
  if (result < 0) return {};
  uint64_t device = (uint64_t{status.stx_dev_major} << 32) | status.stx_dev_minor;
  return {device, status.stx_ino, (status.stx_mask & kMountId) != 0 ? status.stx_mnt_id : 0};
}

bool has_mount_api() {
  // Each fails on these arguments, but a kernel that knows it fails in another way.
  return sys::call(kernel::kMountSetattr, -1, 0, 0, 0, 0) != -ENOSYS && sys::call(kernel::kOpenTree, -1, 0, 0) != -ENOSYS &&
         sys::call(kernel::kMoveMount, -1, 0, -1, 0, 0) != -ENOSYS;
}

}  // namespace metactl
