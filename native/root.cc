#include "root.h"

#include <linux/fcntl.h>

#include "first_pid.h"
#include "kernel.h"
#include "mount.h"
#include "path.h"
#include "protocol.h"
#include "report.h"
#include "steps.h"
#include "sys.h"

namespace metactl {

namespace {

/// The root of everything, as this process sees it now.
int open_here() {
  return static_cast<int>(must(sys::openat(kernel::kAtFdcwd, "/", O_PATH | O_DIRECTORY | O_CLOEXEC), "open", "openat", "/"));
}

/// The first step makes the new root: what is bound or mounted on `/`. It lies over the old one; this process itself stays
/// below until the pivot, so host paths keep their meaning for the steps to come.
int make_new_root(const Step& step) {
  bool binds = step.op == kOpBind && (step.flags & kStepInside) == 0;
  if ((!binds && step.op != kOpMount) || step.target.size != 1) {
    fail({"build root", nullptr, "plan", -kernel::kEinval, step.target.data});
  }
  must(sys::call(__NR_mount, 0, sys::arg("/"), 0, kernel::kMsRec | kernel::kMsPrivate, 0), "make mounts private", "mount",
       "/");
  int here = open_here();
  unsigned attributes = step.flags & kernel::kAttrMask;
  if (!binds) {
    must(mount_new(here, step.second.data, attributes, step.third.data), "mount", "mount", "/");
    sys::close(here);
    return open_top();
  }
  const char* path = step.second.data;
  long tree = step.first != kNoTree ? kFdTrees + static_cast<long>(step.first) : clone_host_tree(path, false, attributes);
  if (tree >= 0) {
    must(attach_tree(static_cast<int>(tree), here), "bind", "move_mount", "/");
  } else if (tree == -kernel::kEnosys) {
    int source = static_cast<int>(must(open_host(path), "bind", "openat2", path));
    tree = bind_root_by_mount(source, attributes);
    sys::close(source);
  } else {
    fail({"bind", nullptr, "open_tree", tree, path});
  }
  sys::close(here);
  return static_cast<int>(tree);
}

/// An empty read-only directory over a directory, /dev/null over anything else.
void mask(int root, const char* path, int null_device) {
  long target = open_inside(root, path, 0);
  if (target == -kernel::kEnoent || target == -kernel::kEnotdir) return;
  must(target, "mask", "openat2", path);
  int fd = static_cast<int>(target);
  FileType type = {};
  must(file_type(fd, type), "mask", "statx", path);
  constexpr unsigned kAll = kernel::kAttrMask;
  if (type.is_directory()) {
    long result = mount_new(fd, "tmpfs", kAll, "nr_blocks=1,nr_inodes=1");
    // Ubuntu's 5.4 needs an inode more [sandbox.md (a)].
    if (result == -kernel::kEnospc) result = mount_new(fd, "tmpfs", kAll, "nr_blocks=1,nr_inodes=2");
    must(result, "mask", "mount tmpfs", path);
  } else {
    must(bind(null_device, fd, root, path, false, kernel::kAttrReadOnly), "mask", "bind /dev/null", path);
  }
  sys::close(fd);
}

/// Our own /dev/null, and no other file that someone put there.
int open_null(int root) {
  int fd = static_cast<int>(must(open_inside(root, "/dev/null", 0), "mask", "openat2", "/dev/null"));
  FileType type = {};
  must(file_type(fd, type), "mask", "statx", "/dev/null");
  if (!type.is_null()) {
    fail({"mask", nullptr, "statx", -kernel::kEinval, "/dev/null"});
  }
  return fd;
}

void make_read_only(int root, const char* path) {
  long target = open_inside(root, path, 0);
  if (target == -kernel::kEnoent || target == -kernel::kEnotdir) return;
  must(target, "make read-only", "openat2", path);
  int fd = static_cast<int>(target);
  must(bind(fd, fd, root, path, false, kernel::kAttrReadOnly), "make read-only", "bind", path);
  sys::close(fd);
}

void pivot(int root) {
  must(sys::fchdir(root), "enter new root", "fchdir", "/");
  // The old root ends up over the new one and is taken away from there: no directory for it is needed.
  must(sys::call(__NR_pivot_root, sys::arg("."), sys::arg(".")), "enter new root", "pivot_root", "/");
  must(sys::call(__NR_umount2, sys::arg("."), kernel::kMntDetach), "leave old root", "umount2", "/");
}

}  // namespace

void build_root(const Plan& plan) {
  bool staged = plan.has(kPlanStaged);
  Reader steps = plan.reader(plan.steps);
  if (plan.steps.count == 0) fail({"build root", nullptr, "plan", -kernel::kEinval, "/"});
  int root = staged ? open_here() : make_new_root(read_step(steps));
  for (__u32 i = staged ? 0 : 1; i < plan.steps.count; i++) carry_out(read_step(steps), root, plan);
  // Before /proc/sys becomes read-only.
  set_next_pid(root, plan.first_pid);
  if (plan.masked.count > 0) {
    int null_device = open_null(root);
    Reader masked = plan.reader(plan.masked);
    for (__u32 i = 0; i < plan.masked.count; i++) mask(root, masked.path().data, null_device);
    sys::close(null_device);
  }
  Reader read_only = plan.reader(plan.read_only);
  for (__u32 i = 0; i < plan.read_only.count; i++) make_read_only(root, read_only.path().data);
  if (!staged) pivot(root);
  must(sys::call(__NR_chdir, sys::arg("/")), "enter new root", "chdir", "/");
  sys::close(root);
}

}  // namespace metactl
