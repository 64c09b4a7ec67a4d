#include "file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "sys_error.h"

namespace metactl {

namespace {

/// The walk that openat2 (Linux 5.6) does in the kernel: component by component, refusing symlinks.
/// @param extra_flags O_DIRECTORY or 0.
Fd walk(const std::string& path, int extra_flags) {
  if (path.empty() || path[0] != '/') fail("open path", "openat", path, EINVAL);
  Fd at(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!at) fail("open path", "open", path);
  size_t begin = 1;
  while (begin < path.size()) {
    size_t end = path.find('/', begin);
    if (end == std::string::npos) end = path.size();
    std::string name = path.substr(begin, end - begin);
    begin = end + 1;
    if (name.empty() || name == ".") continue;
    if (name == "..") fail("open path", "openat", path, EINVAL);
    bool last = begin >= path.size();
    // Without O_DIRECTORY: it would make a symlink ENOTDIR, where openat2 says ELOOP.
    Fd next(::openat(at.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!next) fail("open path", "openat", path);
    struct stat status;
    if (::fstat(next.get(), &status) != 0) fail("open path", "fstat", path);
    if (S_ISLNK(status.st_mode)) fail("open path", "openat", path, ELOOP);
    bool directory_only = !last || (extra_flags & O_DIRECTORY) != 0;
    if (directory_only && !S_ISDIR(status.st_mode)) fail("open path", "openat", path, ENOTDIR);
    at = static_cast<Fd&&>(next);
  }
  return at;
}

}  // namespace

Fd open_path(const std::string& path, int extra_flags) {
  struct open_how how = {};
  how.flags = static_cast<uint64_t>(O_PATH | O_CLOEXEC | extra_flags);
  how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  Fd fd(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
  if (fd) return fd;
  if (errno == ENOSYS) return walk(path, extra_flags);
  fail("open path", "openat2", path);
}

bool read_text(const std::string& path, std::string* text) {
  auto gone = [] { return errno == ENOENT || errno == ENODEV || errno == ENOTDIR; };
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file && gone()) return false;
  if (!file) fail("read file", "open", path);
  char piece[4096];
  for (;;) {
    ssize_t size = ::read(file.get(), piece, sizeof piece);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && gone()) return false;
    if (size < 0) fail("read file", "read", path);
    if (size == 0) return true;
    text->append(piece, static_cast<size_t>(size));
  }
}

double read_number(const char* path) {
  Fd file(::open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  char text[128];
  ssize_t size = file ? ::read(file.get(), text, sizeof text - 1) : -1;
  if (size <= 0) return -1;
  text[size] = '\0';
  const char* space = std::strchr(text, ' ');
  const char* digits = text[0] >= '0' && text[0] <= '9' ? text : space == nullptr ? "" : space + 1;
  char* end = nullptr;
  auto number = static_cast<double>(std::strtoull(digits, &end, 10));
  return end == digits ? -1 : number;
}

bool try_flock(int fd, int operation) {
  if (::flock(fd, operation | LOCK_NB) == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  fail("lock file", "flock");
}

void mount_tmpfs(const std::string& path, const TmpfsOptions& options) {
  Fd target = open_path(path, O_DIRECTORY);
  char data[160];
  ::snprintf(data, sizeof data, "size=%lld,nr_inodes=%lld,mode=%o,uid=%u,gid=%u", static_cast<long long>(options.size),
             static_cast<long long>(options.inodes), options.mode, options.uid, options.gid);
  // The magic link leads to exactly the opened directory, whatever has become of the path meanwhile.
  std::string by_fd = "/proc/self/fd/" + std::to_string(target.get());
  if (::mount("metactl", by_fd.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, data) != 0) fail("mount tmpfs", "mount", path);
}

void pin_namespace(int ns, const std::string& path) {
  Fd target = open_path(path, 0);
  struct statfs about = {};
  if (::fstatfs(ns, &about) != 0) fail("pin namespace", "fstatfs", path);
  if (about.f_type != NSFS_MAGIC) fail("pin namespace", "fstatfs", path, EINVAL);
  std::string source = "/proc/self/fd/" + std::to_string(ns);
  std::string by_fd = "/proc/self/fd/" + std::to_string(target.get());
  if (::mount(source.c_str(), by_fd.c_str(), nullptr, MS_BIND, nullptr) != 0) fail("pin namespace", "mount", path);
}

int unmount_all(const std::string& path) {
  // More than any leak could stack; keeps a bug elsewhere from becoming an endless loop.
  constexpr int kLimit = 10000;
  for (int count = 0; count < kLimit; count++) {
    if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) continue;
    if (errno == EINVAL || errno == ENOENT) return count;
    fail("unmount", "umount2", path);
  }
  fail("unmount", "umount2", path, EBUSY);
}

Pty open_pty(uint16_t rows, uint16_t columns, Fd ptmx) {
  Pty pty;
  pty.master = ptmx ? static_cast<Fd&&>(ptmx) : Fd(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!pty.master) fail("open terminal", "open", "/dev/ptmx");
  // Whoever reads what came must not wait for more, and keys that nobody takes must not hold up the output.
  int flags = ::fcntl(pty.master.get(), F_GETFL);
  if (flags < 0 || ::fcntl(pty.master.get(), F_SETFL, flags | O_NONBLOCK) != 0) fail("open terminal", "fcntl", "/dev/ptmx");
  int unlock = 0;
  if (::ioctl(pty.master.get(), TIOCSPTLCK, &unlock) != 0) fail("open terminal", "ioctl TIOCSPTLCK");
  pty.slave = Fd(::ioctl(pty.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!pty.slave) fail("open terminal", "ioctl TIOCGPTPEER");
  set_window_size(pty.master.get(), rows, columns);
  return pty;
}

void set_window_size(int fd, uint16_t rows, uint16_t columns) {
  struct winsize size = {};
  size.ws_row = rows;
  size.ws_col = columns;
  if (::ioctl(fd, TIOCSWINSZ, &size) != 0) fail("set window size", "ioctl TIOCSWINSZ");
}

struct termios make_raw(int fd) {
  struct termios before = {};
  if (::tcgetattr(fd, &before) != 0) fail("set terminal", "tcgetattr");
  struct termios raw = before;
  ::cfmakeraw(&raw);
  restore_terminal(fd, raw);
  return before;
}

void restore_terminal(int fd, const struct termios& before) {
  while (::tcsetattr(fd, TCSADRAIN, &before) != 0) {
    if (errno != EINTR) fail("set terminal", "tcsetattr");
  }
}

}  // namespace metactl
