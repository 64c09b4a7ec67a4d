// Mounts by descriptor: with the mount API of Linux 5.12, or with mount(2) where one of its calls is missing.
#pragma once

namespace metactl {

/// Makes a detached copy of what `source` (O_PATH) shows, private, with `attributes` on all of it. @returns a
/// descriptor, or -errno; -ENOSYS before Linux 5.12.
long clone_tree(int source, bool recursive, unsigned attributes);

/// Opens a host path, following no symlink, and clones what it shows. @returns a descriptor, or -errno.
long clone_host_tree(const char* path, bool recursive, unsigned attributes);

/// Makes a detached tree show ids as the maps of a user namespace turn them: what the file system has as an id of that
/// namespace, processes see as the id it stands for. -EINVAL where the file system can't; -ENOSYS before Linux 5.12.
long map_ids(int tree, bool recursive, int user_namespace);

/// Attaches a detached tree on `target`. @returns 0 or -errno.
long attach_tree(int tree, int target);

/// Binds `source` on `target` with `attributes`. `root` and `path` name the target again, because mount(2) can change
/// flags only of a mount that has been looked up after it was made. A recursive bind with attributes needs Linux 5.12:
/// -ENOSYS (src/host/linux/encode.ts expands it for older kernels).
long bind(int source, int target, int root, const char* path, bool recursive, unsigned attributes);

/// Adds attributes to the mount whose root `fd` is.
long add_attributes(int fd, unsigned attributes);

/// Mounts a new file system on `target`.
long mount_new(int target, const char* type, unsigned attributes, const char* data);

/// `/proc/self/fd/N`, for the calls that take only paths.
struct FdPath {
  char text[32];
  explicit FdPath(int fd);
};

}  // namespace metactl
