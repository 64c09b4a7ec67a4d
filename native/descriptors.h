// Descriptors and paths that launches are made of.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fd.h"

namespace metactl {

/// An anonymous file with this content that nobody can change any more. `executable` where it is to be executed.
Fd sealed_memfd(const char* name, const void* data, size_t size, bool executable);

struct Pipe {
  Fd read;
  Fd write;
};

Pipe make_pipe(bool nonblocking_read);

/// Device, inode and mount behind a path: equal as long as the same thing is there. All zero where nothing is.
struct FileId {
  uint64_t device;
  uint64_t inode;
  uint64_t mount;
};
FileId file_id(const char* path);

/// Whether this kernel has all of open_tree, move_mount and mount_setattr (Linux 5.12).
bool has_mount_api();

}  // namespace metactl
