#include "wait_loop.h"

#include <linux/fcntl.h>
#include <linux/poll.h>
#include <linux/signalfd.h>
#include <linux/time_types.h>

#include "kernel.h"
#include "protocol.h"
#include "report.h"
#include "sys.h"

namespace metactl {

namespace {

constexpr int kWnohang = 1;
constexpr int kBlock = 0;
constexpr int kSignals = 64;

/// struct rusage as all 64-bit Linux has it.
struct Rusage {
  long user_seconds;
  long user_us;
  long system_seconds;
  long system_us;
  long max_rss_kb;
  long others[13];
};

StatusRecord ended(int status, const Rusage& usage) {
  StatusRecord record = {};
  record.magic = kStatusMagic;
  record.kind = kStatusEnded;
  int signal = status & 0x7f;
  record.code = signal == 0 ? status >> 8 & 0xff : -1;
  record.signal = signal;
  record.core_dumped = (status & 0x80) != 0 ? 1 : 0;
  record.user_us = static_cast<__u64>(usage.user_seconds) * 1000000 + static_cast<__u64>(usage.user_us);
  record.system_us = static_cast<__u64>(usage.system_seconds) * 1000000 + static_cast<__u64>(usage.system_us);
  record.max_rss_kb = static_cast<__u64>(usage.max_rss_kb);
  return record;
}

/// SIGKILL to every direct child. What they leave becomes our child in turn (we are a subreaper).
void kill_children(int children) {
  char text[4096] = {};
  long size = sys::call(__NR_pread64, children, sys::arg(text), sizeof text, 0);
  int pid = 0;
  for (long i = 0; i < size; i++) {
    if (text[i] >= '0' && text[i] <= '9') {
      pid = pid * 10 + (text[i] - '0');
    } else {
      if (pid > 1) sys::call(__NR_kill, pid, kernel::kSigkill);
      pid = 0;
    }
  }
}

/// PID 1 needs only to end: the kernel kills the rest of its namespace. A subreaper ends its children one by one. What a
/// joined process leaves belongs to the sandbox it is in.
[[noreturn]] void end_all(const Watch& watch) {
  if (watch.kind == kWatchDescendants) {
    long reaped = 0;
    do {
      kill_children(watch.children);
      reaped = sys::call(__NR_wait4, -1, 0, 0, 0);
    } while (reaped > 0 || reaped == -kernel::kEintr);
  }
  sys::exit_group(0);
}

/// Ending a sandbox costs the machine as much as starting one. The next run may be under way already: it goes first, until the
/// supervisor closes its end of the pipe. Bounded, since that may have other things to do.
void leave_head_start() {
  struct pollfd heard[2] = {{kFdStatus, 0, 0}, {kFdLiveness, POLLIN, 0}};
  struct __kernel_timespec longest = {0, 10'000'000};
  sys::call(__NR_ppoll, sys::arg(heard), 2, sys::arg(&longest), 0, 8);
}

/// Reaps all that has ended. @returns true once the daemon is among it.
bool reap(const Watch& watch, int* status) {
  for (;;) {
    Rusage usage = {};
    long pid = sys::call(__NR_wait4, -1, sys::arg(status), kWnohang, sys::arg(&usage));
    if (pid == -kernel::kEintr) continue;
    if (pid <= 0) return false;
    if (pid != watch.daemon) continue;
    StatusRecord record = ended(*status, usage);
    record.pid = watch.daemon;
    sys::write(kFdStatus, &record, sizeof record);
    return true;
  }
}

/// Node ignores some signals, and ignored ones stay ignored across execve: the daemon gets its dispositions from this process.
void reset_signals() {
  // struct sigaction of the kernel: SIG_DFL, no flags, no restorer, empty mask.
  unsigned long action[4] = {};
  for (int signal = 1; signal <= kSignals; signal++) {
    if (signal == kernel::kSigkill || signal == kernel::kSigstop) continue;
    must(sys::call(__NR_rt_sigaction, signal, sys::arg(action), 0, 8), "reset signals", "rt_sigaction");
  }
}

bool is_forwarded(unsigned signal) {
  return signal != kernel::kSigchld && signal != kernel::kSigkill && signal != kernel::kSigstop;
}

}  // namespace

int open_signals() {
  reset_signals();
  unsigned long all = ~0ul;
  must(sys::call(__NR_rt_sigprocmask, kBlock, sys::arg(&all), 0, 8), "block signals", "rt_sigprocmask");
  return static_cast<int>(must(sys::call(__NR_signalfd4, -1, sys::arg(&all), 8, O_CLOEXEC), "watch signals", "signalfd4"));
}

void wait_for_end(const Watch& watch) {
  int liveness = kFdLiveness;
  bool asked = false;
  for (;;) {
    struct pollfd ready[2] = {{watch.signals, POLLIN, 0}, {liveness, POLLIN, 0}};
    long count = sys::call(__NR_ppoll, sys::arg(ready), 2, 0, 0, 8);
    if (count == -kernel::kEintr) continue;
    if (count < 0 || ready[1].revents != 0) {
      // The supervisor is gone (or we can't see any more whether it is): nothing outlives it.
      if (watch.kind == kWatchNamespace) sys::exit_group(kExitSandbox);
      // The daemon first; its end is noticed and told as any other, and reaped here rather than by the host's init.
      sys::call(__NR_kill, watch.daemon, kernel::kSigkill);
      liveness = -1;
    }
    if (ready[0].revents == 0) continue;
    struct signalfd_siginfo info;
    if (sys::read(watch.signals, &info, sizeof info) != sizeof info) continue;
    int status = 0;
    if (info.ssi_signo == kernel::kSigchld) {
      if (!reap(watch, &status)) continue;
      if (watch.kind == kWatchNamespace && !asked) leave_head_start();
      end_all(watch);
    } else if (is_forwarded(info.ssi_signo)) {
      asked = true;
      sys::call(__NR_kill, watch.daemon, static_cast<long>(info.ssi_signo));
    }
  }
}

}  // namespace metactl
