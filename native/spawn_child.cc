#include "spawn_child.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include "kernel.h"
#include "mount.h"
#include "protocol.h"
#include "sys.h"

namespace metactl {

namespace {

/// CLOSE_RANGE_UNSHARE: the table becomes this process's own, without what is closed. It is not copied first.
constexpr unsigned kUnshare = 2;

[[noreturn]] void give_up(Job* job, const char* step, const char* call, long result, int fd = -1,
                          const char* path = nullptr) {
  job->failed_step = step;
  job->failed_call = call;
  job->failed_path = path;
  job->failed_fd = fd;
  job->failed_errno = static_cast<int>(-result);
  sys::exit_group(kExitSandbox);
}

int tree_count(const Job* job) { return static_cast<int>(job->options->trees.size()); }

void place(Job* job, int from, int to, int flags) {
  long result = sys::dup3(from, to, flags);
  if (result < 0) give_up(job, "hand over descriptor", "dup3", result, from);
}

/// Sources below the targets' numbers would be overwritten before they are copied.
int lift(Job* job, int fd) {
  int first_free = kFdTrees + handed_count(*job->options);
  if (fd < 0 || fd >= first_free) return fd;
  long lifted = sys::call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, first_free);
  if (lifted < 0) give_up(job, "hand over descriptor", "fcntl", lifted, fd);
  return static_cast<int>(lifted);
}

void enter_cgroups(Job* job) {
  // A spare does so by itself.
  if (job->options->order >= 0) return;
  // `0` into `tasks` moves this thread, which is all there is of the process; `cgroup.procs` would wait for an RCU
  // grace period (launch.md, "What pays" 1).
  for (size_t i = 0; i < job->task_count; i++) {
    long result = sys::write(job->tasks[i], "0", 1);
    if (result < 0) give_up(job, "enter cgroup", "write", result, job->tasks[i]);
  }
}

void clone_trees(Job* job) {
  size_t count = job->options->trees.size();
  const Tree* trees = job->options->trees.data();
  for (size_t i = 0; i < count; i++) {
    const char* path = trees[i].path.c_str();
    long tree = clone_host_tree(path, trees[i].recursive, trees[i].attributes);
    if (tree < 0) give_up(job, "bind", "open_tree", tree, -1, path);
    job->trees[i] = static_cast<int>(tree);
    if (!trees[i].idmapped) continue;
    long result = map_ids(job->trees[i], trees[i].recursive, job->options->idmap);
    if (result < 0) give_up(job, "map the ids of", "mount_setattr", result, -1, path);
  }
}

void enter_namespaces(Job* job) {
  const SpawnOptions& options = *job->options;
  if (options.netns >= 0) {
    long result = sys::call(SYS_setns, options.netns, static_cast<long>(kernel::kCloneNewnet));
    if (result < 0) give_up(job, "enter network namespace", "setns", result, options.netns);
  }
  // The cgroup namespace after the moves, so that the daemon sees its own cgroups as the root.
  unsigned long flags = options.isolated && options.order < 0 ? kernel::kCloneNewcgroup : 0;
  if (options.stage >= 0) {
    long result = sys::call(SYS_setns, options.stage, static_cast<long>(kernel::kCloneNewns));
    if (result < 0) give_up(job, "enter prepared mounts", "setns", result, options.stage);
    flags |= kernel::kCloneNewns;
  }
  if (flags == 0) return;
  long result = sys::call(SYS_unshare, static_cast<long>(flags));
  if (result < 0) give_up(job, "make namespaces", "unshare", result);
}

/// With a table of the child's own: a copy of the parent's.
void gather_sources(Job* job) {
  for (int& source : job->sources) source = lift(job, source);
  for (int i = 0; i < handed_count(*job->options); i++) job->trees[i] = lift(job, job->trees[i]);
}

/// With the parent's table: the parent has put the sources into the window, now the trees join them. Then the window is
/// all that is left, and nobody else's. Copying a supervisor's whole table, and closing the copies, would take as long as
/// half a launch once it holds hundreds of daemons.
void gather_from_window(Job* job) {
  int trees = job->window + kFdTrees;
  for (int i = 0; i < tree_count(job); i++) {
    place(job, job->trees[i], trees + i, O_CLOEXEC);
    sys::close(job->trees[i]);
    job->trees[i] = trees + i;
  }
  // The parent's own, which stay.
  for (int i = tree_count(job); i < handed_count(*job->options); i++) {
    place(job, job->trees[i], trees + i, O_CLOEXEC);
    job->trees[i] = trees + i;
  }
  if (sys::close_range(static_cast<unsigned>(trees + handed_count(*job->options)), ~0u, kUnshare) < 0) {
    long result = sys::call(SYS_unshare, static_cast<long>(kernel::kCloneFiles));
    if (result < 0) give_up(job, "hand over descriptor", "unshare", result);
  }
  for (int i = 0; i < kFdTrees; i++) {
    if (job->sources[i] >= 0) job->sources[i] = job->window + i;
  }
}

/// Leaves exactly the descriptors of protocol.h. Targets lie below their sources, so none is overwritten before its turn.
void hand_over(Job* job) {
  if (job->window >= 0) {
    gather_from_window(job);
  } else {
    gather_sources(job);
  }
  for (int i = 0; i < kFdTrees; i++) {
    if (job->sources[i] >= 0) {
      place(job, job->sources[i], i, i == kFdInit ? O_CLOEXEC : 0);
    } else {
      sys::close(i);
    }
  }
  for (int i = 0; i < handed_count(*job->options); i++) place(job, job->trees[i], kFdTrees + i, 0);
  int first_free = kFdTrees + handed_count(*job->options);
  if (sys::close_range(static_cast<unsigned>(first_free), ~0u, 0) < 0) {
    // Before Linux 5.9. Node opens with close-on-exec; this is for what its parent may have left open.
    for (int fd = first_free; fd < 1024; fd++) sys::close(fd);
  }
}

}  // namespace

void spawn_child(void* data) {
  auto* job = static_cast<Job*>(data);
  enter_cgroups(job);
  clone_trees(job);
  enter_namespaces(job);
  hand_over(job);
  char* const environment[] = {nullptr};
  long result = sys::call(SYS_execveat, kFdInit, sys::arg(""), sys::arg(job->argv), sys::arg(environment), AT_EMPTY_PATH);
  give_up(job, "execute metactl-init", "execveat", result);
}

}  // namespace metactl
