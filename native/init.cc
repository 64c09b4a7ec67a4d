// metactl-init: PID 1 of a sandbox, or the process that enters one for `exec` and `shell`. It reads a plan, builds, forks
// the daemon, gives up its rights and waits. See protocol.h for its descriptors.
#include "init.h"

#include <linux/fcntl.h>
#include <linux/keyctl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/stat.h>

#include "credentials.h"
#include "daemon.h"
#include "guard.h"
#include "join.h"
#include "kernel.h"
#include "loopback.h"
#include "path.h"
#include "plan.h"
#include "protocol.h"
#include "report.h"
#include "root.h"
#include "spare.h"
#include "sys.h"
#include "wait_loop.h"

namespace metactl {

namespace {

constexpr long kForkFlags = kernel::kSigchld;
constexpr int kStdout = 1;
constexpr int kStderr = 2;
/// The daemon may be killed for memory, the process that tells about it not.
constexpr char kOomScoreAdj[] = "-1000";

/// Which of the descriptors that not every start has were handed over: other numbers are free for what is opened here.
struct Handed {
  bool user;
  bool idmap;
  bool ready;
  bool store;
  bool order;
};

/// They had to survive the execution of this program; they must not survive the daemon's.
Handed close_on_exec() {
  bool there[kFdTrees] = {};
  for (int fd = kFdError; fd < kFdTrees; fd++) there[fd] = sys::call(__NR_fcntl, fd, F_SETFD, FD_CLOEXEC) >= 0;
  return {there[kFdUser], there[kFdIdmap], there[kFdReady], there[kFdStore], there[kFdOrder]};
}

void load_plan(Plan& plan) {
  struct statx status = {};
  must(sys::call(__NR_statx, kFdPlan, sys::arg(""), kernel::kAtEmptyPath, STATX_SIZE, sys::arg(&status)), "read plan", "statx");
  if (status.stx_size == 0 || status.stx_size > kPlanLimit) fail({"read plan", nullptr, "statx", -kernel::kEinval, ""});
  long size = static_cast<long>(status.stx_size);
  // The memfd is sealed, so what has been checked cannot change.
  long memory = must(sys::call(__NR_mmap, 0, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, kFdPlan, 0), "read plan", "mmap");
  const char* problem = nullptr;
  if (!read_plan(reinterpret_cast<const char*>(memory), status.stx_size, plan, &problem)) {
    fail({"read plan:", problem, "plan", -kernel::kEinval, ""});
  }
}

/// A session keyring of its own: what root has in its keyring stays unseen. Kernels without keyrings are fine. It has no name
/// to be joined by: for one that has, the kernel looks through all there are, some of every sandbox on the machine.
void join_keyring() {
  long result = sys::call(__NR_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0);
  if (result != -kernel::kEnosys) must(result, "join session keyring", "keyctl");
}

int open_oom_score() {
  return static_cast<int>(must(sys::openat(kernel::kAtFdcwd, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC),
                               "set oom_score_adj", "openat", "/proc/self/oom_score_adj"));
}

long write_oom_score(int fd, const char* text, unsigned size) {
  return sys::call(__NR_pwrite64, fd, sys::arg(text), size, 0);
}

/// The daemon inherits the value, so this process takes it first and goes to its own after the fork.
void take_daemons_oom_score(int fd, __s32 value) {
  char text[8];
  unsigned size = 0;
  if (value < 0) text[size++] = '-';
  unsigned absolute = static_cast<unsigned>(value < 0 ? -value : value);
  if (absolute > 1000) fail({"set oom_score_adj", nullptr, "plan", -kernel::kEinval, ""});
  if (absolute >= 1000) text[size++] = static_cast<char>('0' + absolute / 1000);
  if (absolute >= 100) text[size++] = static_cast<char>('0' + absolute / 100 % 10);
  if (absolute >= 10) text[size++] = static_cast<char>('0' + absolute / 10 % 10);
  text[size++] = static_cast<char>('0' + absolute % 10);
  must(write_oom_score(fd, text, size), "set oom_score_adj", "pwrite64", "/proc/self/oom_score_adj");
}

/// Without a PID namespace nothing ends with us, so we collect orphans (subreaper) and end them ourselves.
int open_children() {
  must(sys::prctl(PR_SET_CHILD_SUBREAPER, 1), "collect orphans", "prctl PR_SET_CHILD_SUBREAPER");
  return static_cast<int>(must(sys::openat(kernel::kAtFdcwd, "/proc/thread-self/children", O_RDONLY | O_CLOEXEC),
                               "collect orphans", "openat", "/proc/thread-self/children"));
}

/// A descriptor of the host's /dev/null would keep the host's /dev within reach: the sandbox's own takes its place.
void reopen_null_devices() {
  for (int fd = 0; fd < 3; fd++) {
    FileType type = {};
    must(file_type(fd, type), "check standard input and output", "statx");
    if (!type.is_null()) continue;
    int own = static_cast<int>(must(sys::openat(kernel::kAtFdcwd, "/dev/null", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC),
                                    "open", "openat", "/dev/null"));
    must(file_type(own, type), "open", "statx", "/dev/null");
    if (!type.is_null()) fail({"open", nullptr, "statx", -kernel::kEinval, "/dev/null"});
    must(sys::dup3(own, fd, 0), "open", "dup3", "/dev/null");
    sys::close(own);
  }
}

void prepare(const Plan& plan) {
  if (plan.mode == kModeJoin) {
    enter_sandbox();
    reopen_null_devices();
  } else if (plan.has(kPlanSandboxed)) {
    build_root(plan);
    must(sys::call(__NR_sethostname, sys::arg(plan.hostname.data), plan.hostname.size), "set host name", "sethostname",
         plan.hostname.data);
    if (plan.has(kPlanLoopback)) bring_loopback_up();
    reopen_null_devices();
  }
  join_keyring();
}

/// `/proc/self` must be this process's own: the host's until a sandbox's root is built, its own /proc afterwards. In a
/// sandbox that is joined this process has none.
bool has_own_proc(const Plan& plan) { return plan.mode == kModeRun && plan.has(kPlanSandboxed); }

void tell_running(int pid) {
  StatusRecord record = {};
  record.magic = kStatusMagic;
  record.kind = kStatusRunning;
  record.pid = pid;
  must(sys::write(kFdStatus, &record, sizeof record), "tell supervisor", "write");
}

/// Keeps the namespaces it is in until the supervisor has opened them.
[[noreturn]] void wait_to_be_opened() {
  tell_running(0);
  sys::close(kFdError);
  char none = 0;
  while (sys::read(kFdLiveness, &none, 1) == -kernel::kEintr) continue;
  sys::exit_group(0);
}

/// What this process may use becomes the most that all processes of the namespace may use together, for some limits
/// (kernel/user_namespace.c: set_userns_rlimit_max). The daemons have limits of their own.
void lift_limits() {
  __u64 unlimited[2] = {~__u64{0}, ~__u64{0}};
  constexpr long kShared[] = {RLIMIT_NPROC, RLIMIT_MEMLOCK, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE};
  for (long resource : kShared) {
    // In a container root may not raise them; then they are as they are.
    sys::call(__NR_prlimit64, 0, resource, sys::arg(unlimited), 0);
  }
}

[[noreturn]] void run_user_namespace() {
  lift_limits();
  must(sys::call(__NR_unshare, static_cast<long>(kernel::kCloneNewuser)), "make user namespace", "unshare");
  wait_to_be_opened();
}

}  // namespace

void run() {
  Handed handed = close_on_exec();
  sys::prctl(PR_SET_NAME, sys::arg("metactl-init"));
  int signals = open_signals();
  sys::call(__NR_umask, 0);
  Plan plan;
  load_plan(plan);
  // Shares no process's namespaces, and the supervisor is to look at it.
  if (plan.mode == kModeStage) {
    build_root(plan);
    wait_to_be_opened();
  }
  if (plan.mode == kModeUser) run_user_namespace();

  WatchKind kind = plan.mode == kModeJoin ? kWatchJoined : plan.has(kPlanSandboxed) ? kWatchNamespace : kWatchDescendants;
  int oom_score = has_own_proc(plan) ? -1 : open_oom_score();
  int children = kind == kWatchDescendants ? open_children() : -1;
  // Before anything is shared with a sandbox: nobody in there may look into this process (CVE-2016-9962). Not earlier:
  // without root it could not open its own files in /proc any more.
  must(sys::prctl(PR_SET_DUMPABLE, 0), "protect from tracing", "prctl PR_SET_DUMPABLE");
  prepare(plan);
  if (oom_score < 0) oom_score = open_oom_score();
  take_daemons_oom_score(oom_score, plan.oom_score_adj);
  shrink_bounding_set(plan.capabilities);
  if (handed.order) wait_for_order();

  int go[2];
  must(sys::call(__NR_pipe2, sys::arg(go), O_CLOEXEC), "start daemon", "pipe2");
  int daemon = static_cast<int>(must(sys::call(__NR_clone, kForkFlags, 0, 0, 0, 0), "start daemon", "clone"));
  if (daemon == 0) run_daemon(plan, {go[0], go[1], kind != kWatchNamespace});

  // Where root lacks CAP_SYS_RESOURCE (in a container), the supervisor's own value is as low as it gets.
  long result = write_oom_score(oom_score, kOomScoreAdj, sizeof kOomScoreAdj - 1);
  if (result != -kernel::kEacces) must(result, "set oom_score_adj", "pwrite64", "/proc/self/oom_score_adj");
  sys::close(oom_score);
  sys::close(go[0]);
  sys::close(kFdPlan);
  if (handed.user) sys::close(kFdUser);
  if (handed.idmap) sys::close(kFdIdmap);
  // Its end must be the daemon's.
  if (handed.ready) sys::close(kFdReady);
  if (handed.store) sys::close(kFdStore);
  // The environment may hold passwords.
  sys::call(__NR_munmap, sys::arg(plan.begin), static_cast<long>(plan.size));
  must(sys::call(__NR_chdir, sys::arg("/")), "leave directory", "chdir", "/");
  give_up_rights(plan);
  sys::write(go[1], "", 1);
  sys::close(go[1]);
  // After that, so that the supervisor, awake now, does not keep the daemon from a CPU. It still hears of it before it sees the
  // end of the error pipe, which this process holds open too.
  tell_running(daemon);
  // The daemon's output ends with this process, so that the supervisor, which may share a CPU with it, hears of the daemon's
  // end by the record: the ends of the pipes would wake it first, and keep this process from telling.
  for (int fd = 0; fd <= kFdError; fd++) {
    if (plan.mode != kModeRun || (fd != kStdout && fd != kStderr)) sys::close(fd);
  }
  wait_for_end({kind, signals, daemon, children});
}

}  // namespace metactl
