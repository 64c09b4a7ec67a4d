#include "probe.h"

#include <csignal>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "clone.h"
#include "fd.h"
#include "kernel.h"
#include "netlink.h"
#include "own_thread.h"
#include "sys.h"
#include "sys_error.h"

namespace metactl {

namespace {

void do_nothing(void*) { sys::exit_group(0); }

/// Installs a filter that allows everything and would log: what it does to the child ends with the child.
void install_filter(void*) {
  sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  sock_fprog program = {1, allow};
  long result = sys::prctl(PR_SET_NO_NEW_PRIVS, 1);
  if (result == 0) result = sys::call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, sys::arg(&program));
  sys::exit_group(static_cast<int>(-result));
}

/// @returns 0, the errno of the clone, or the child's exit status, which is an errno too.
int in_child(unsigned long flags, void (*body)(void*)) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  // Without a pidfd, which Linux 5.2 brought.
  long pid = clone_vfork({flags, -1, body, nullptr}, nullptr);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return static_cast<int>(-pid);
  siginfo_t info = {};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0) {
    if (errno != EINTR) return errno;
  }
  return info.si_code == CLD_EXITED ? info.si_status : EINTR;
}

/// A call with arguments that no kernel accepts: only whether it is there shows. @returns 0 or ENOSYS.
int is_there(long number, long a = -1, long b = 0, long c = 0, long d = 0, long e = 0) {
  return sys::call(number, a, b, c, d, e) == -ENOSYS ? ENOSYS : 0;
}

/// A kernel that knows the flag looks for the descriptor; an older one refuses the flag.
int knows_clone_into_cgroup() {
  kernel::CloneArgs args = {};
  args.flags = kernel::kCloneIntoCgroup;
  args.exit_signal = SIGCHLD;
  constexpr __u64 kNoDescriptor = 0x7ffffff0;
  args.cgroup = kNoDescriptor;
  long result = sys::call(kernel::kClone3, sys::arg(&args), sizeof args);
  return result == -EBADF ? 0 : static_cast<int>(-result);
}

int knows_action(uint32_t action) {
  return static_cast<int>(-sys::call(__NR_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, sys::arg(&action)));
}

int make_link(Netlink& netlink, const std::string& kind) {
  Request request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  request.header(ifinfomsg{});
  size_t info = request.begin(IFLA_LINKINFO);
  request.attribute(IFLA_INFO_KIND, kind.data(), kind.size());
  request.end(info);
  return netlink.acknowledged(request);
}

/// A user namespace with one id mapped, which lives as long as the descriptor. A child makes it and waits to be killed.
/// @returns -1 with errno set where it can't be made.
int mapped_user_namespace() {
  long pid = ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    sys::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) sys::call(__NR_ppoll, 0, 0, 0, 0);
  }
  if (pid < 0) return -1;
  std::string directory = "/proc/" + std::to_string(pid) + "/";
  int error = 0;
  for (const char* name : {"uid_map", "gid_map"}) {
    Fd map(::open((directory + name).c_str(), O_WRONLY | O_CLOEXEC));
    constexpr char kLine[] = "0 100000 1";
    if (!map || ::write(map.get(), kLine, sizeof kLine - 1) < 0) error = errno;
  }
  Fd made(::open((directory + "ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  if (!made) error = errno;
  ::kill(static_cast<pid_t>(pid), SIGKILL);
  siginfo_t info = {};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0 && errno == EINTR) {
  }
  errno = error;
  return error == 0 ? made.release() : -1;
}

int try_idmap(const std::string& path, int user_namespace) {
  constexpr __u64 kAttrIdmap = 0x100000;
  Fd tree(static_cast<int>(::syscall(kernel::kOpenTree, AT_FDCWD, path.c_str(), kernel::kOpenTreeClone | O_CLOEXEC)));
  if (!tree) return errno;
  kernel::MountAttr attributes = {};
  attributes.attr_set = kAttrIdmap;
  attributes.userns_fd = static_cast<__u64>(user_namespace);
  long result = ::syscall(kernel::kMountSetattr, tree.get(), "", kernel::kAtEmptyPath, &attributes, sizeof attributes);
  return result == 0 ? 0 : errno;
}

}  // namespace

std::vector<int> probe_idmaps(const std::vector<std::string>& paths) {
  Fd user_namespace(mapped_user_namespace());
  int error = errno;
  std::vector<int> results;
  results.reserve(paths.size());
  for (const std::string& path : paths) {
    results.push_back(user_namespace ? try_idmap(path, user_namespace.get()) : error);
  }
  return results;
}

std::vector<ProbeResult> probe_kernel() {
  constexpr long kPidfdOpen = 434;
  constexpr long kCloseRange = 436;
  std::vector<ProbeResult> results = {
      {"ns mnt", in_child(CLONE_NEWNS, do_nothing)},
      {"ns pid", in_child(CLONE_NEWPID, do_nothing)},
      {"ns ipc", in_child(CLONE_NEWIPC, do_nothing)},
      {"ns uts", in_child(CLONE_NEWUTS, do_nothing)},
      {"ns net", in_child(CLONE_NEWNET, do_nothing)},
      {"ns cgroup", in_child(CLONE_NEWCGROUP, do_nothing)},
      {"ns user", in_child(CLONE_NEWUSER, do_nothing)},
      {"seccomp filter", in_child(0, install_filter)},
      {"seccomp kill", knows_action(SECCOMP_RET_KILL_PROCESS)},
      {"seccomp log", knows_action(SECCOMP_RET_LOG)},
      {"call clone3", is_there(kernel::kClone3, 0)},
      {"call clone3 into cgroup", knows_clone_into_cgroup()},
      {"call openat2", is_there(kernel::kOpenat2)},
      {"call open_tree", is_there(kernel::kOpenTree)},
      {"call move_mount", is_there(kernel::kMoveMount, -1, 0, -1, 0, -1)},
      {"call mount_setattr", is_there(kernel::kMountSetattr)},
      {"call pidfd_open", is_there(kPidfdOpen, 0)},
      {"call pidfd_send_signal", is_there(kernel::kPidfdSendSignal)},
      {"call close_range", is_there(kCloseRange, 1)},
  };
  return results;
}

NetworkProbe probe_network(const std::vector<std::string>& kinds,
                           const std::vector<std::vector<unsigned char>>& batches) {
  NetworkProbe probe;
  on_own_thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) {
      probe.error = errno;
      return;
    }
    Netlink route(NETLINK_ROUTE);
    for (const std::string& kind : kinds) probe.links.push_back(make_link(route, kind));
    for (const std::vector<unsigned char>& batch : batches) {
      // Each its own socket: what is left unread of one answer must not be taken for the next.
      Netlink netfilter(NETLINK_NETFILTER);
      probe.answers.push_back(netfilter.exchange(batch.data(), batch.size()));
    }
  });
  return probe;
}

ClockState clock_state() {
  timex clock = {};
  int state = ::adjtimex(&clock);
  if (state < 0) fail("read the clock's state", "adjtimex");
  return {state != TIME_ERROR && (clock.status & STA_UNSYNC) == 0, clock.maxerror};
}

}  // namespace metactl
