#include "spawn.h"

#include <csignal>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <utility>

#include "clone.h"
#include "descriptors.h"
#include "fd_window.h"
#include "huge_pages.h"
#include "kernel.h"
#include "process.h"
#include "protocol.h"
#include "spawn_child.h"
#include "store.h"
#include "sys_error.h"

namespace metactl {

namespace {

/// With fewer open descriptors than this, copying the table is cheaper than the detour by the window.
constexpr int kManyDescriptors = 256;

std::string path_of(int fd) {
  if (fd < 0) return {};
  char path[4096];
  ssize_t size = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : std::string();
}

unsigned long namespaces(const SpawnOptions& options) {
  unsigned long flags = options.new_network ? kernel::kCloneNewnet : 0;
  if (options.isolated) flags |= kernel::kCloneNewpid | kernel::kCloneNewipc | kernel::kCloneNewuts;
  if (options.new_mounts && options.stage < 0) flags |= kernel::kCloneNewns;
  return flags;
}

/// A window that holds the job's sources while it is alive.
class FilledWindow {
 public:
  /// Takes no window where descriptors are few, or where none is to be had.
  explicit FilledWindow(Job& job, int highest) {
    job.window = highest < kManyDescriptors ? -1 : fd_window();
    if (job.window < 0) return;
    used_ = kFdTrees + handed_count(*job.options);
    for (int i = 0; i < kFdTrees; i++) {
      if (job.sources[i] < 0 || ::dup3(job.sources[i], job.window + i, O_CLOEXEC) >= 0) continue;
      int error = errno;
      clear_fd_window(used_);
      fail("hand over descriptor", "dup3", path_of(job.sources[i]), error);
    }
  }
  FilledWindow(const FilledWindow&) = delete;
  FilledWindow& operator=(const FilledWindow&) = delete;
  ~FilledWindow() { clear_fd_window(used_); }

 private:
  int used_ = 0;
};

/// What a child that failed has left in the table that it shared with this process.
void close_trees(const Job& job) {
  if (job.window < 0) return;
  for (size_t i = 0; i < job.options->trees.size(); i++) {
    // Those in the window are the window's.
    bool in_window = job.trees[i] >= job.window && job.trees[i] < job.window + kFdTrees + static_cast<int>(kMostTrees);
    if (job.trees[i] >= 0 && !in_window) ::close(job.trees[i]);
  }
}

/// A handler of Node must not run in the child, on its small stack and with its borrowed memory.
long clone_with_signals_blocked(const CloneRequest& request, int* pidfd) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  long pid = clone_vfork(request, pidfd);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return pid;
}

/// Before Linux 5.7 clone can't put a child into a v2 cgroup: no clone3 (5.3), or one that knows neither flag nor field.
bool is_without_cgroup(long result) { return result == -ENOSYS || result == -EINVAL || result == -E2BIG; }

/// The child then enters by itself, which stops the machine's other forks for a moment.
long clone_into(unsigned long flags, Job& job, int* pidfd) {
  const SpawnOptions& options = *job.options;
  long pid = clone_with_signals_blocked({flags, options.cgroup, spawn_child, &job}, pidfd);
  if (options.cgroup < 0 || options.order >= 0 || !is_without_cgroup(pid)) return pid;
  Fd processes(::openat(options.cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC));
  if (!processes) fail("enter cgroup", "openat", path_of(options.cgroup));
  std::vector<int> tasks = options.tasks;
  tasks.push_back(processes.get());
  job.tasks = tasks.data();
  job.task_count = tasks.size();
  return clone_with_signals_blocked({flags, -1, spawn_child, &job}, pidfd);
}

/// A spare can be done without: the second half of this process's descriptors is for what can't.
void require_room(int highest) {
  struct rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) fail("make a spare sandbox", "getrlimit");
  if (static_cast<rlim_t>(highest) >= limit.rlim_cur / 2) fail("make a spare sandbox", "pipe2", "", EMFILE);
}

void reap(pid_t pid) {
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) continue;
}

/// For a kernel whose clone gave no pidfd.
Fd open_child(pid_t pid) {
  try {
    return pidfd_open(pid);
  } catch (const SysError&) {
    ::kill(pid, SIGKILL);
    reap(pid);
    throw;
  }
}

}  // namespace

Spawned spawn(const SpawnOptions& options) {
  // There is one window for all environments (worker threads) of this process.
  static std::mutex one_at_a_time;
  std::lock_guard<std::mutex> lock(one_at_a_time);

  Pipe error = make_pipe(true);
  Pipe status = make_pipe(true);
  if (options.order >= 0) require_room(status.write.get());
  std::string name = "metactl-init";
  std::string title = options.title;
  char* argv[] = {name.data(), title.data(), nullptr};
  std::vector<int> trees(options.trees.size(), -1);
  if (options.order >= 0) trees.insert(trees.end(), options.tasks.begin(), options.tasks.end());

  // The child takes its end along, and the descriptors in it.
  Store store = fill_store(options.stored);

  Job job = {};
  job.options = &options;
  job.tasks = options.tasks.data();
  job.task_count = options.tasks.size();
  const int sources[kFdTrees] = {options.standard[0], options.standard[1], options.standard[2],
                                 error.write.get(),   status.write.get(),  options.liveness,
                                 options.plan,        options.target,      options.init,
                                 options.user,        options.idmap,       options.ready,
                                 store.receiver.get(), options.order};
  std::copy(std::begin(sources), std::end(sources), job.sources);
  job.trees = trees.data();
  job.argv = argv;
  job.failed_fd = -1;
  FilledWindow window(job, status.write.get());

  unsigned long flags = namespaces(options) | (job.window >= 0 ? kernel::kCloneFiles : 0);
  int pidfd = -1;
  long pid;
  {
    HugePagesAsBefore pages;
    pid = clone_into(flags, job, has_pidfds() ? &pidfd : nullptr);
  }
  if (pid < 0) fail("make namespaces", "clone3", path_of(options.cgroup), static_cast<int>(-pid));
  Spawned made;
  made.pid = static_cast<pid_t>(pid);
  made.pidfd = Fd(pidfd);
  if (job.failed_step != nullptr) {
    reap(made.pid);
    close_trees(job);
    fail(job.failed_step, job.failed_call, job.failed_path != nullptr ? job.failed_path : path_of(job.failed_fd),
         job.failed_errno);
  }
  if (!made.pidfd) made.pidfd = open_child(made.pid);
  made.error = std::move(error.read);
  made.status = std::move(status.read);
  return made;
}

}  // namespace metactl
