// Files, mounts and terminals that the supervisor itself handles.
#pragma once

#include <termios.h>

#include <cstdint>
#include <string>

#include "fd.h"

namespace metactl {

/// Opens a path as O_PATH, following no symlink in any component. Falls back to a walk before Linux 5.6.
Fd open_path(const std::string& path, int extra_flags);

/// All of a small file of the kernel's, following no symlink at its end. @returns false where it, or what it told of, is gone.
bool read_text(const std::string& path, std::string* text);

/// The number at the beginning of such a file, or behind the first word of it (`usage_usec 4711`); -1 where there is none.
double read_number(const char* path);

/// flock(2), never blocking. @returns false where another holder has it.
bool try_flock(int fd, int operation);

struct TmpfsOptions {
  int64_t size;
  int64_t inodes;
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
};

/// Mounts a tmpfs (nosuid, nodev) on a directory that is opened without following symlinks.
void mount_tmpfs(const std::string& path, const TmpfsOptions& options);

/// Bind-mounts the namespace behind `ns` on the file `path`, opened without following symlinks: it lives as long as the
/// mount does.
void pin_namespace(int ns, const std::string& path);

/// Takes away every mount stacked on `path`; a crashed supervisor may have left several. @returns how many.
int unmount_all(const std::string& path);

struct Pty {
  Fd master;
  Fd slave;
};

/// A new pseudo terminal; the slave comes from the master itself (TIOCGPTPEER), not from a path. `ptmx`: the opened
/// multiplexer to use, where it is not the host's. The master is non-blocking, the slave is not.
Pty open_pty(uint16_t rows, uint16_t columns, Fd ptmx);

void set_window_size(int fd, uint16_t rows, uint16_t columns);

/// Lets all bytes pass a terminal as they are, both ways. @returns how it was set before.
struct termios make_raw(int fd);

/// Sets a terminal as make_raw found it, once all output has been sent.
void restore_terminal(int fd, const struct termios& before);

}  // namespace metactl
