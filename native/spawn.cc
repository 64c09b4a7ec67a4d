#include "spawn.h"

#include <csignal>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "clone.h"
#include "kernel.h"
#include "protocol.h"
#include "sys.h"
#include "sys_error.h"

namespace metactl {

namespace {

/// What parent and child share while the parent sleeps.
struct Job {
  const SpawnOptions* options;
  const int* tasks;
  size_t task_count;
  int error;
  int status;
  char* const* argv;
  // Where the child failed.
  const char* failed_step = nullptr;
  const char* failed_call = nullptr;
  int failed_fd = -1;
  int failed_errno = 0;
};

[[noreturn]] void give_up(Job* job, const char* step, const char* call, long result, int fd = -1) {
  job->failed_step = step;
  job->failed_call = call;
  job->failed_fd = fd;
  job->failed_errno = static_cast<int>(-result);
  sys::exit_group(kExitSandbox);
}

/// Copies a descriptor to a number; the sources have been moved out of the way of all targets.
void place(Job* job, int from, int to, int flags = 0) {
  long result = sys::dup3(from, to, flags);
  if (result < 0) give_up(job, "hand over descriptor", "dup3", result, from);
}

/// Sources below the targets' numbers would be overwritten before they are copied.
int lift(Job* job, int fd) {
  if (fd < 0 || fd >= kFdFirstFree) return fd;
  long lifted = sys::call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, kFdFirstFree);
  if (lifted < 0) give_up(job, "hand over descriptor", "fcntl", lifted, fd);
  return static_cast<int>(lifted);
}

/// Runs on Node's memory: nothing but raw system calls.
[[noreturn]] void child(void* data) {
  auto* job = static_cast<Job*>(data);
  const SpawnOptions& options = *job->options;
  // `0` into `tasks` moves this thread, which is all there is of the process; `cgroup.procs` would wait for an RCU
  // grace period (launch.md, "What pays" 1).
  for (size_t i = 0; i < job->task_count; i++) {
    long result = sys::write(job->tasks[i], "0", 1);
    if (result < 0) give_up(job, "enter cgroup", "write", result, job->tasks[i]);
  }
  if (options.netns >= 0) {
    long result = sys::call(SYS_setns, options.netns, static_cast<long>(kernel::kCloneNewnet));
    if (result < 0) give_up(job, "enter network namespace", "setns", result, options.netns);
  }
  if (options.sandboxed) {
    // After the moves, so that the daemon sees its own cgroups as the root.
    long result = sys::call(SYS_unshare, static_cast<long>(kernel::kCloneNewcgroup));
    if (result < 0) give_up(job, "make cgroup namespace", "unshare", result);
  }
  int standard[3] = {lift(job, options.standard[0]), lift(job, options.standard[1]), lift(job, options.standard[2])};
  int error = lift(job, job->error);
  int status = lift(job, job->status);
  int liveness = lift(job, options.liveness);
  int plan = lift(job, options.plan);
  int target = lift(job, options.target);
  int init = lift(job, options.init);
  for (int i = 0; i < 3; i++) place(job, standard[i], i);
  place(job, error, kFdError);
  place(job, status, kFdStatus);
  place(job, liveness, kFdLiveness);
  place(job, plan, kFdPlan);
  place(job, init, kFdInit, O_CLOEXEC);
  if (target >= 0) {
    place(job, target, kFdTarget);
  } else {
    sys::close(kFdTarget);
  }
  if (sys::close_range(kFdFirstFree, ~0u, 0) < 0) {
    // Before Linux 5.9. Node opens with close-on-exec; this is for what its parent may have left open.
    for (int fd = kFdFirstFree; fd < 1024; fd++) sys::close(fd);
  }
  char* const environment[] = {nullptr};
  long result = sys::call(SYS_execveat, kFdInit, sys::arg(""), sys::arg(job->argv), sys::arg(environment), AT_EMPTY_PATH);
  give_up(job, "execute metactl-init", "execveat", result, -1);
}

std::string path_of(int fd) {
  if (fd < 0) return {};
  char path[4096];
  ssize_t size = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : std::string();
}

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

unsigned long namespaces(const SpawnOptions& options) {
  unsigned long flags = options.new_network ? kernel::kCloneNewnet : 0;
  if (options.sandboxed) flags |= kernel::kCloneNewns | kernel::kCloneNewpid | kernel::kCloneNewipc | kernel::kCloneNewuts;
  return flags;
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

Spawned spawn(const SpawnOptions& options) {
  Pipe error = make_pipe(true);
  Pipe status = make_pipe(true);
  std::string name = "metactl-init";
  std::string title = options.title;
  char* argv[] = {name.data(), title.data(), nullptr};

  Job job = {};
  job.options = &options;
  job.tasks = options.tasks.data();
  job.task_count = options.tasks.size();
  job.error = error.write.get();
  job.status = status.write.get();
  job.argv = argv;

  // A handler of Node must not run in the child, on its small stack and with its borrowed memory.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int pidfd = -1;
  long pid = clone_vfork({namespaces(options), options.cgroup, child, &job}, &pidfd);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);

  if (pid < 0) fail("make namespaces", "clone3", path_of(options.cgroup), static_cast<int>(-pid));
  Spawned made;
  made.pid = static_cast<pid_t>(pid);
  made.pidfd = Fd(pidfd);
  if (job.failed_step != nullptr) {
    while (::waitpid(made.pid, nullptr, 0) < 0 && errno == EINTR) continue;
    fail(job.failed_step, job.failed_call, path_of(job.failed_fd), job.failed_errno);
  }
  made.error = std::move(error.read);
  made.status = std::move(status.read);
  return made;
}

}  // namespace metactl
