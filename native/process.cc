#include "process.h"

#include <csignal>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "descriptors.h"
#include "sys_error.h"

namespace metactl {

namespace {

/// P_PIDFD, not in glibc's headers before 2.36.
constexpr auto kPidfd = static_cast<idtype_t>(3);

/// Enough for a few system calls below libc's own needs: an old kernel's supervisor has one such thread for each sandbox.
constexpr size_t kStackSize = 128 * 1024;
/// Between two looks at a process that is no child of this one.
constexpr int kInterval_ms = 10;

struct ProcessState {
  /// -1: it has ended and been reaped.
  pid_t pid = -1;
  bool ended = true;
};

/// From `PID (NAME) STATE …` of proc_pid_stat(5). The name may hold anything but is short.
ProcessState process_state(int directory) {
  Fd file(::openat(directory, "stat", O_RDONLY | O_CLOEXEC));
  if (!file) {
    if (errno == ENOENT || errno == ESRCH) return {};
    fail("look at process", "openat", "stat");
  }
  char text[256];
  ssize_t size = ::read(file.get(), text, sizeof text - 1);
  if (size < 0 && errno != ESRCH) fail("look at process", "read", "stat");
  if (size <= 0) return {};
  text[size] = '\0';
  const char* name_end = std::strrchr(text, ')');
  if (name_end == nullptr || name_end[1] == '\0') return {};
  char state = name_end[2];
  return {static_cast<pid_t>(std::strtol(text, nullptr, 10)), state == 'Z' || state == 'X'};
}

struct Watching {
  Fd directory;
  Fd end;
};

/// A child is waited for, but left to be reaped by wait_pidfd. Another process is looked at until it has ended or nobody
/// wants to know any more (the pipe's other end is closed).
void watch(const Watching& watching) {
  ProcessState state = process_state(watching.directory.get());
  siginfo_t info = {};
  while (!state.ended && ::waitid(P_PID, static_cast<id_t>(state.pid), &info, WEXITED | WNOWAIT) != 0) {
    if (errno == EINTR) continue;
    struct pollfd reader = {watching.end.get(), 0, 0};
    if (::poll(&reader, 1, kInterval_ms) > 0) return;
    state = process_state(watching.directory.get());
  }
}

void* watch_thread(void* data) {
  std::unique_ptr<Watching> watching(static_cast<Watching*>(data));
  try {
    watch(*watching);
  } catch (const SysError&) {
    // The pipe ends all the same: whoever waits looks for itself, and reports what it finds.
  }
  return nullptr;
}

void start_watching(std::unique_ptr<Watching> watching) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackSize);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // Node's handlers run on Node's threads.
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  int error = pthread_create(&thread, &attributes, watch_thread, watching.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error != 0) fail("start a thread", "pthread_create", {}, error);
  static_cast<void>(watching.release());
}

}  // namespace

bool has_pidfds() {
  static const bool has = [] {
    Fd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
    if (!self) return errno != ENOSYS;
    // This process is no child of its own (ECHILD); before 5.4 the kind is unknown (EINVAL).
    siginfo_t info = {};
    return ::waitid(kPidfd, static_cast<id_t>(self.get()), &info, WEXITED | WNOHANG) == 0 || errno != EINVAL;
  }();
  return has;
}

Fd pidfd_open(pid_t pid) {
  if (has_pidfds()) {
    Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!fd) fail("open process", "pidfd_open", std::to_string(pid));
    return fd;
  }
  Fd fd(::open(("/proc/" + std::to_string(pid)).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) fail("open process", "open", std::to_string(pid), errno == ENOENT ? ESRCH : errno);
  return fd;
}

bool is_process_directory(int fd) {
  struct stat status;
  struct statfs system;
  return ::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode) && ::fstatfs(fd, &system) == 0 &&
         system.f_type == PROC_SUPER_MAGIC;
}

Fd process_end(int directory) {
  Pipe pipe = make_pipe(true);
  Fd copy(::fcntl(directory, F_DUPFD_CLOEXEC, 0));
  if (!copy) fail("watch process", "fcntl");
  auto* watching = new Watching{std::move(copy), std::move(pipe.write)};
  start_watching(std::unique_ptr<Watching>(watching));
  return std::move(pipe.read);
}

bool pidfd_send_signal(int pidfd, int signal) {
  if (is_process_directory(pidfd)) {
    // A child that is not reaped keeps its pid. Another process could end, be reaped, and its pid be given away once all
    // other pids were, between these two calls: before Linux 5.1 there is nothing closer.
    pid_t pid = process_state(pidfd).pid;
    if (pid > 0 && ::kill(pid, signal) == 0) return true;
    if (pid <= 0 || errno == ESRCH) return false;
    fail("send signal", "kill", std::to_string(signal));
  }
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0) return true;
  if (errno == ESRCH) return false;
  fail("send signal", "pidfd_send_signal", std::to_string(signal));
}

ChildEnd wait_pidfd(int pidfd) {
  bool directory = is_process_directory(pidfd);
  auto kind = directory ? P_PID : kPidfd;
  // Of one that is gone -1, which nobody's child has: ECHILD.
  auto id = static_cast<id_t>(directory ? process_state(pidfd).pid : pidfd);
  siginfo_t info = {};
  while (::waitid(kind, id, &info, WEXITED | WNOHANG) != 0) {
    if (errno != EINTR) fail("wait for process", "waitid");
  }
  ChildEnd end;
  if (info.si_pid == 0) return end;
  end.ended = true;
  if (info.si_code == CLD_EXITED) {
    end.code = info.si_status;
  } else {
    end.signal = info.si_status;
    end.core_dumped = info.si_code == CLD_DUMPED;
  }
  return end;
}

PeerCredentials peer_credentials(int fd) {
  struct ucred credentials = {};
  socklen_t length = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    fail("read peer credentials", "getsockopt SO_PEERCRED");
  }
  return {credentials.pid, credentials.uid, credentials.gid};
}

}  // namespace metactl
