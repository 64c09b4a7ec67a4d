#include "guard.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "credentials.h"
#include "kernel.h"
#include "report.h"
#include "sys.h"

namespace metactl {

namespace {

#if defined(__x86_64__)
#define METACTL_AUDIT_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define METACTL_AUDIT_ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef METACTL_AUDIT_ARCH

// Jumps count from the next instruction: `left` is the number of allowed calls still to come, then comes KILL, then ALLOW.
#define METACTL_ALLOW(number, left) {BPF_JMP | BPF_JEQ | BPF_K, (left) + 1, 0, __NR_##number}

const struct sock_filter kFilter[] = {
    {BPF_LD | BPF_W | BPF_ABS, 0, 0, 4},  // seccomp_data.arch
    {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, METACTL_AUDIT_ARCH},
    {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS},
    {BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},  // seccomp_data.nr
#ifdef __SANITIZE_ADDRESS__
    METACTL_ALLOW(sigaltstack, 9),  // asked by AddressSanitizer before every call that does not return
#endif
    METACTL_ALLOW(ppoll, 8),
    METACTL_ALLOW(read, 7),
    METACTL_ALLOW(wait4, 6),
    METACTL_ALLOW(kill, 5),
    METACTL_ALLOW(write, 4),
    METACTL_ALLOW(close, 3),
    METACTL_ALLOW(pread64, 2),
    METACTL_ALLOW(restart_syscall, 1),
    METACTL_ALLOW(exit_group, 0),
    {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS},
    {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
};

#undef METACTL_ALLOW

void filter_own_calls() {
  Text program = {reinterpret_cast<const char*>(kFilter), sizeof kFilter};
  install_filter(program);
}

#else

void filter_own_calls() {}

#endif

}  // namespace

void give_up_rights(const Plan& plan) {
  bool privileged = is_privileged();
  if (privileged) must(sys::call(__NR_setgroups, 0, 0), "give up rights", "setgroups");
  // The daemon's own capabilities had to stay in the bounding set until it was forked.
  if (plan.capabilities != 0) shrink_bounding_set(0);
  must(set_capabilities(privileged ? __u64{1} << CAP_KILL : 0, 0), "give up rights", "capset");
  filter_own_calls();
}

}  // namespace metactl
