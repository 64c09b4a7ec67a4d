#include "steps.h"

#include <linux/fcntl.h>

#include "kernel.h"
#include "mount.h"
#include "path.h"
#include "protocol.h"
#include "report.h"
#include "sys.h"

namespace metactl {

namespace {

constexpr unsigned kCharacterDevice = 0020000;

/// As `must`, for the steps that make a name in a directory.
long must_make(long result, const Step& step, const char* what, const char* call) {
  if (result < 0) fail({what, nullptr, call, result, step.target.data, kExitSandbox, step.second.data});
  return result;
}

int open_target(const Step& step, int root, const char* what) {
  return static_cast<int>(must(open_inside(root, step.target.data, 0), what, "openat2", step.target.data));
}

/// Never without the mapping: the app's files would be somebody else's inside, and new ones somebody else's outside.
void idmapped_bind(const Step& step, int source, int target) {
  bool recursive = (step.flags & kStepRecursive) != 0;
  const char* path = step.second.data;
  int tree = static_cast<int>(
      must(clone_tree(source, recursive, step.flags & kernel::kAttrMask), "map the ids of", "open_tree", path));
  must(map_ids(tree, recursive, kFdIdmap), "map the ids of", "mount_setattr", path);
  must(attach_tree(tree, target), "bind on", "move_mount", step.target.data);
  sys::close(tree);
  sys::close(source);
  sys::close(target);
}

void bind_step(const Step& step, int root) {
  const char* path = step.second.data;
  if (step.first != kNoTree) {
    int tree = kFdTrees + static_cast<int>(step.first);
    int on = open_target(step, root, "bind on");
    must(attach_tree(tree, on), "bind on", "move_mount", step.target.data);
    sys::close(on);
    sys::close(tree);
    return;
  }
  bool inside = (step.flags & kStepInside) != 0;
  int source = static_cast<int>(must(inside ? open_inside(root, path, 0) : open_host(path), "bind", "openat2", path));
  int target = open_target(step, root, "bind on");
  if ((step.flags & kStepIdmapped) != 0) return idmapped_bind(step, source, target);
  bool recursive = (step.flags & kStepRecursive) != 0;
  long result = bind(source, target, root, step.target.data, recursive, step.flags & kernel::kAttrMask);
  must(result, "bind on", "move_mount", step.target.data);
  sys::close(source);
  sys::close(target);
}

void mount_step(const Step& step, int root) {
  int target = open_target(step, root, "mount on");
  long result = mount_new(target, step.second.data, step.flags & kernel::kAttrMask, step.third.data);
  if (result < 0) fail({"mount", step.second.data, "mount", result, step.target.data});
  sys::close(target);
}

void remount_step(const Step& step, int root) {
  int target = open_target(step, root, "remount");
  must(add_attributes(target, step.flags & kernel::kAttrMask), "remount", "mount_setattr", step.target.data);
  sys::close(target);
}

/// Adds a path, relative to the new root, to the text of mount options, where some characters have a meaning.
unsigned add_lower(const Step& step, const char* path, char* data, unsigned size, unsigned limit) {
  while (*path == '/') path++;
  if (*path == '\0') path = ".";
  for (; *path != '\0'; path++) {
    bool special = *path == ':' || *path == ',' || *path == '\\';
    if (special || size + 1 >= limit) fail({"mount overlay on", nullptr, "mount", -kernel::kEinval, step.target.data});
    data[size++] = *path;
  }
  return size;
}

/// The kernel takes lower directories as text only. Each has been seen to be a directory without a symlink on the way, and
/// nothing else can change our new root yet.
void overlay_step(const Step& step, int root, const Plan& plan) {
  char data[4096] = "lowerdir=";
  unsigned size = 9;
  Reader reader = plan.reader({step.list, step.count});
  for (__u32 i = 0; i < step.count; i++) {
    const char* path = reader.path().data;
    sys::close(static_cast<int>(must(open_inside(root, path, O_DIRECTORY), "mount overlay of", "openat2", path)));
    if (i > 0) data[size++] = ':';
    size = add_lower(step, path, data, size, sizeof data - 1);
  }
  data[size] = '\0';
  sys::close(open_target(step, root, "mount overlay on"));
  must(sys::fchdir(root), "mount overlay on", "fchdir", step.target.data);
  const char* target = step.target.data;
  while (*target == '/') target++;
  long result = sys::call(__NR_mount, sys::arg("metactl"), sys::arg(target), sys::arg("overlay"),
                          step.flags & kernel::kAttrMask, sys::arg(data));
  must(result, "mount overlay on", "mount", step.target.data);
}

void mkdir_step(const Step& step, int directory) {
  const char* name = step.second.data;
  long result = sys::call(__NR_mkdirat, directory, sys::arg(name), static_cast<long>(step.mode));
  if (result == -kernel::kEexist) {
    // Left by an earlier step or part of what was bound: fine as it is, if it is a directory.
    long there = must_make(open_inside(directory, name, O_DIRECTORY), step, "make directory", "openat2");
    sys::close(static_cast<int>(there));
    return;
  }
  must_make(result, step, "make directory", "mkdirat");
  if (step.first != 0 || step.other != 0) {
    long owned = sys::call(__NR_fchownat, directory, sys::arg(name), static_cast<long>(step.first),
                           static_cast<long>(step.other), kernel::kAtSymlinkNofollow);
    must_make(owned, step, "make directory", "fchownat");
  }
}

void file_step(const Step& step, int directory) {
  const char* name = step.second.data;
  long opened = sys::openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, step.mode);
  int fd = static_cast<int>(must_make(opened, step, "write file", "openat"));
  for (__u32 done = 0; done < step.third.size;) {
    done += static_cast<__u32>(must_make(sys::write(fd, step.third.data + done, step.third.size - done), step, "write file", "write"));
  }
  sys::close(fd);
}

/// Made in a file system of our own that nobody else can reach yet, then looked at: it must be exactly that device.
void device_step(const Step& step, int directory) {
  const char* name = step.second.data;
  // makedev: 12 bits major, 20 bits minor, as the kernel's new_encode_dev.
  unsigned device = (step.other & 0xff) | (step.first << 8) | ((step.other & ~0xffu) << 12);
  long made = sys::call(__NR_mknodat, directory, sys::arg(name), static_cast<long>(kCharacterDevice | step.mode),
                        static_cast<long>(device));
  must_make(made, step, "make device", "mknodat");
  int fd = static_cast<int>(must_make(open_inside(directory, name, 0), step, "make device", "openat2"));
  FileType type = {};
  must_make(file_type(fd, type), step, "make device", "statx");
  if (!type.is_character_device() || type.device_major != step.first || type.device_minor != step.other) {
    must_make(-kernel::kEinval, step, "make device", "statx");
  }
  sys::close(fd);
}

}  // namespace

void carry_out(const Step& step, int root, const Plan& plan) {
  switch (step.op) {
    case kOpBind:
      return bind_step(step, root);
    case kOpMount:
      return mount_step(step, root);
    case kOpRemount:
      return remount_step(step, root);
    case kOpOverlay:
      return overlay_step(step, root, plan);
    default:
      break;
  }
  int directory = static_cast<int>(
      must(open_inside(root, step.target.data, O_DIRECTORY), "open directory", "openat2", step.target.data));
  switch (step.op) {
    case kOpMkdir:
      mkdir_step(step, directory);
      break;
    case kOpFile:
      file_step(step, directory);
      break;
    case kOpSymlink:
      must_make(sys::call(__NR_symlinkat, sys::arg(step.third.data), directory, sys::arg(step.second.data)), step,
                "make symlink", "symlinkat");
      break;
    default:
      device_step(step, directory);
  }
  sys::close(directory);
}

int open_top() {
  // `/` leads past what is mounted on it, to this process's root; `/..` leads to the top of the stack.
  return static_cast<int>(
      must(sys::openat(kernel::kAtFdcwd, "/..", O_PATH | O_DIRECTORY | O_CLOEXEC), "open", "openat", "/"));
}

int bind_root_by_mount(int source, unsigned attributes) {
  FdPath from(source);
  must(sys::call(__NR_mount, sys::arg(from.text), sys::arg("/"), 0, kernel::kMsBind, 0), "bind", "mount", "/");
  int root = open_top();
  must(add_attributes(root, attributes), "bind", "mount", "/");
  return root;
}

}  // namespace metactl
