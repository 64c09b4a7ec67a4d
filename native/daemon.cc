#include "daemon.h"

#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>

#include "credentials.h"
#include "kernel.h"
#include "protocol.h"
#include "report.h"
#include "sys.h"

namespace metactl {

namespace {

constexpr long kTiocsctty = 0x540e;
constexpr long kSigSetmask = 2;

/// metactl-init blocks them all.
void unblock_signals() {
  unsigned long none = 0;
  must(sys::call(__NR_rt_sigprocmask, kSigSetmask, sys::arg(&none), 0, 8), "reset signals", "rt_sigprocmask");
}

/// @param last -1: all that there are. 64 is more than metactl-init ever has, for kernels without close_range.
void close_between(int first, int last) {
  if (sys::close_range(static_cast<unsigned>(first), last < 0 ? ~0u : static_cast<unsigned>(last), 0) >= 0) return;
  for (int fd = first; fd <= (last < 0 ? 63 : last); fd++) sys::close(fd);
}

/// A null-terminated array of the strings of a list.
char** pointers(const Plan& plan, const List& list, char** to) {
  Reader reader = plan.reader(list);
  for (__u32 i = 0; i < list.count; i++) to[i] = const_cast<char*>(reader.text().data);
  to[list.count] = nullptr;
  return to + list.count + 1;
}

/// `LISTEN_PID=` and this process's id: nobody else knows it in time.
void write_own_pid(char* to) {
  for (const char* at = "LISTEN_PID="; *at != 0; at++) *to++ = *at;
  char digits[12];
  int count = 0;
  for (long pid = sys::call(__NR_getpid); pid > 0; pid /= 10) digits[count++] = static_cast<char>('0' + pid % 10);
  while (count > 0) *to++ = digits[--count];
  *to = 0;
}

/// As execvp: a file that may not be executed does not end the search, but is what is reported if nothing else is found.
[[noreturn]] void execute(const Plan& plan) {
  constexpr unsigned long kOwnPid = 32;
  unsigned long bytes = (static_cast<unsigned long>(plan.argv.count) + plan.env.count + 3) * sizeof(char*) + kOwnPid;
  long memory = must(sys::call(__NR_mmap, 0, static_cast<long>(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                     "prepare arguments", "mmap");
  char** argv = reinterpret_cast<char**>(memory);
  char** env = pointers(plan, plan.argv, argv);
  char** end = pointers(plan, plan.env, env);
  if (plan.stored > 0) {
    char* own_pid = reinterpret_cast<char*>(end + 1);
    write_own_pid(own_pid);
    end[-1] = own_pid;
    end[0] = nullptr;
  }
  Reader programs = plan.reader(plan.programs);
  long worst = -kernel::kEnoent;
  const char* first = nullptr;
  for (__u32 i = 0; i < plan.programs.count; i++) {
    const char* path = programs.path().data;
    if (first == nullptr) first = path;
    long result = sys::call(__NR_execve, sys::arg(path), sys::arg(argv), sys::arg(env));
    if (result == -kernel::kEnoent || result == -kernel::kEnotdir) continue;
    worst = result;
    first = path;
    if (result != -kernel::kEacces) break;
  }
  bool missing = worst == -kernel::kEnoent;
  // Where a search found nothing, the name that was searched for says more than the last place.
  const char* path = missing && plan.programs.count > 1 ? argv[0] : first;
  fail({"execute", nullptr, "execve", worst, path, missing ? kExitNotFound : kExitNotExecutable});
}

/// Takes all descriptors out of the store: with nothing but the standard ones open below them they get the numbers from 3 on.
void receive_stored(int store, int count) {
  // struct msghdr and struct cmsghdr of the kernel, on 64-bit machines.
  struct {
    unsigned long size;
    int level;
    int type;
    int fds[kMostInMessage + 1];
  } control;
  struct {
    char* base;
    unsigned long size;
  } data;
  struct {
    void* name;
    int name_size;
    void* data;
    unsigned long data_count;
    void* control;
    unsigned long control_size;
    int flags;
  } message;
  constexpr unsigned long kHead = sizeof control.size + sizeof control.level + sizeof control.type;
  constexpr long kDontWait = 0x40;
  int next = kFdError;
  while (next < kFdError + count) {
    char byte = 0;
    data = {&byte, 1};
    control = {};
    message = {nullptr, 0, &data, 1, &control, sizeof control, 0};
    must(sys::call(__NR_recvmsg, store, sys::arg(&message), kDontWait), "hand over stored descriptors", "recvmsg");
    int got = message.control_size < kHead ? 0 : static_cast<int>((control.size - kHead) / sizeof(int));
    bool in_order = got > 0;
    for (int i = 0; i < got; i++) in_order = in_order && control.fds[i] == next++;
    // Fewer than were sent: the limit of open files is lower.
    if (!in_order || message.flags != 0) fail({"hand over stored descriptors", nullptr, "recvmsg", -kernel::kEmfile, ""});
  }
}

void hand_over(int from, int to) {
  must(sys::dup3(from, to, 0), "hand over descriptor", "dup3");
  sys::close(from);
}

/// As keep_descriptors, where there are stored ones, which begin at 3.
void keep_stored(int ready, int count) {
  close_between(kFdError + 1, kFdReady - 1);
  close_between(kFdStore + 1, -1);
  // Out of the way, to where none of them will be.
  const int high = (kFdError + count > kFdStore ? kFdError + count : kFdStore) + 1;
  must(sys::dup3(kFdStore, high, 0), "hand over descriptor", "dup3");
  if (ready > 0) must(sys::dup3(kFdReady, high + 1, 0), "hand over descriptor", "dup3");
  move_error_pipe(high + 2);
  sys::close(kFdReady);
  sys::close(kFdStore);
  receive_stored(high, count);
  sys::close(high);
  if (ready <= 0) return;
  // The error pipe may have that number.
  if (ready == high + 2) move_error_pipe(high);
  if (ready != high + 1) hand_over(high + 1, ready);
}

/// Leaves standard input, output, error, the error pipe (which closes itself) and, where the plan has one, the descriptor
/// that tells of readiness.
void keep_descriptors(int ready) {
  if (ready > 0) {
    close_between(kFdError + 1, kFdReady - 1);
    close_between(kFdReady + 1, -1);
    if (ready == kFdError) move_error_pipe(kFdError + 1);
    if (ready == kFdReady) {
      must(sys::call(__NR_fcntl, kFdReady, F_SETFD, 0), "hand over descriptor", "fcntl");
      return;
    }
    must(sys::dup3(kFdReady, ready, 0), "hand over descriptor", "dup3");
    sys::close(kFdReady);
    return;
  }
  close_between(kFdError + 1, -1);
}

}  // namespace

void run_daemon(const Plan& plan, const DaemonSetup& setup) {
  unblock_signals();
  must(sys::call(__NR_setsid), "start session", "setsid");
  if (plan.has(kPlanTerminal)) {
    // Without the right to steal it: a terminal that controls another session stays there, and job control is missing.
    long result = sys::call(__NR_ioctl, 0, kTiocsctty, 0);
    if (result != -kernel::kEperm) must(result, "take terminal", "ioctl TIOCSCTTY");
  }
  become(plan);
  if (setup.die_with_parent) {
    // After the ids have changed, which clears it.
    must(sys::prctl(PR_SET_PDEATHSIG, kernel::kSigkill), "tie to parent", "prctl PR_SET_PDEATHSIG");
  }
  enter_directory(plan);
  sys::close(setup.go_writer);
  char go = 0;
  if (sys::read(setup.go, &go, 1) != 1) sys::exit_group(kExitSandbox);
  if (plan.stored > 0) {
    keep_stored(static_cast<int>(plan.ready_fd), static_cast<int>(plan.stored));
  } else {
    keep_descriptors(static_cast<int>(plan.ready_fd));
  }
  install_filter(plan.seccomp, plan.has(kPlanLogCalls));
  execute(plan);
}

}  // namespace metactl
