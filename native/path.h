// Paths inside the new root: looked up component by component under a descriptor, following no symlink.
#pragma once

namespace metactl {

/// A path as one lookup gives it: an O_PATH descriptor, or -errno.
/// `flags` are added to O_PATH | O_CLOEXEC.
long open_inside(int root, const char* path, int flags);

/// The same for a host path, seen from this process's own root.
long open_host(const char* path);

/// Mode (with type) and device number behind a descriptor. @returns -errno or 0.
struct FileType {
  unsigned mode;
  unsigned device_major;
  unsigned device_minor;
  bool is_directory() const { return (mode & 0170000) == 0040000; }
  bool is_symlink() const { return (mode & 0170000) == 0120000; }
  bool is_character_device() const { return (mode & 0170000) == 0020000; }
  bool is_null() const { return is_character_device() && device_major == 1 && device_minor == 3; }
};
long file_type(int fd, FileType& type);

}  // namespace metactl
