#include "credentials.h"

#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "kernel.h"
#include "report.h"
#include "sys.h"

namespace metactl {

namespace {

/// More than the kernel has groups for (NGROUPS_MAX is 65536), and small enough for the stack.
constexpr __u32 kMostGroups = 1024;

/// In the order of their numbers (asm-generic/resource.h).
const char* const kRlimitNames[] = {"cpu",     "fsize", "data",  "stack",      "core",     "rss",  "nproc",  "nofile",
                                    "memlock", "as",    "locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime"};

struct Rlimit {
  __u64 soft;
  __u64 hard;
};

struct FilterProgram {
  unsigned short length;
  const void* instructions;
};

void set_rlimits(const Plan& plan) {
  Reader reader = plan.reader(plan.rlimits);
  for (__u32 i = 0; i < plan.rlimits.count; i++) {
    __u32 resource = reader.u32();
    Rlimit limit = {};
    limit.soft = reader.u64();
    limit.hard = reader.u64();
    must(sys::call(__NR_prlimit64, 0, resource, sys::arg(&limit), 0), "set resource limit", "prlimit64",
         kRlimitNames[resource]);
  }
}

/// Undoes `taskset` and the like of whoever started the supervisor. A cpuset still holds.
void use_all_cpus() {
  unsigned long mask[128 / sizeof(unsigned long) * 8];
  __builtin_memset(mask, 0xff, sizeof mask);
  must(sys::call(__NR_sched_setaffinity, 0, sizeof mask, sys::arg(mask)), "reset CPU affinity", "sched_setaffinity");
}

void set_groups(const Plan& plan) {
  __u32 groups[kMostGroups];
  if (plan.groups.count > kMostGroups) fail({"set groups", nullptr, "plan", -kernel::kEinval, ""});
  Reader reader = plan.reader(plan.groups);
  for (__u32 i = 0; i < plan.groups.count; i++) groups[i] = reader.u32();
  must(sys::call(__NR_setgroups, plan.groups.count, sys::arg(groups)), "set groups", "setgroups");
}

void set_ids(__u32 uid, __u32 gid) {
  must(sys::call(__NR_setresgid, gid, gid, gid), "set group", "setresgid");
  must(sys::call(__NR_setresuid, uid, uid, uid), "set user", "setresuid");
  __u32 real = 0, effective = 0, saved = 0;
  must(sys::call(__NR_getresuid, sys::arg(&real), sys::arg(&effective), sys::arg(&saved)), "check user", "getresuid");
  if (real != uid || effective != uid || saved != uid) fail({"check user", nullptr, "getresuid", -kernel::kEperm, ""});
  must(sys::call(__NR_getresgid, sys::arg(&real), sys::arg(&effective), sys::arg(&saved)), "check group", "getresgid");
  if (real != gid || effective != gid || saved != gid) fail({"check group", nullptr, "getresgid", -kernel::kEperm, ""});
}

/// The kernel tells by EINVAL where its list ends; compile-time CAP_LAST_CAP may be older than the kernel.
void drop_from_bounding_set(__u64 keep) {
  for (int capability = 0; capability < 64; capability++) {
    if ((keep >> capability & 1) != 0) continue;
    long result = sys::prctl(PR_CAPBSET_DROP, capability);
    if (result == -kernel::kEinval) break;
    must(result, "drop capability", "prctl PR_CAPBSET_DROP");
  }
}

/// Entering gives all capabilities in that namespace, in every set. Nobody in it may look at this process meanwhile: it is
/// non-dumpable and its memory belongs to the namespace outside (CVE-2016-8649).
void enter_user_namespace(__u64 keep) {
  must(sys::call(__NR_setns, kFdUser, static_cast<long>(kernel::kCloneNewuser)), "enter user namespace", "setns");
  sys::close(kFdUser);
  drop_from_bounding_set(keep);
}

}  // namespace

bool is_privileged() { return sys::call(__NR_geteuid) == 0; }

void shrink_bounding_set(__u64 keep) {
  if (is_privileged()) drop_from_bounding_set(keep);
  must(sys::prctl(PR_SET_NO_NEW_PRIVS, 1), "set no_new_privs", "prctl PR_SET_NO_NEW_PRIVS");
}

long set_capabilities(__u64 permitted, __u64 inheritable) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  for (int word = 0; word < 2; word++) {
    data[word].effective = static_cast<__u32>(permitted >> (32 * word));
    data[word].permitted = data[word].effective;
    data[word].inheritable = static_cast<__u32>(inheritable >> (32 * word));
  }
  long result = sys::call(__NR_capset, sys::arg(&header), sys::arg(data));
  return result < 0 ? result : sys::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
}

void become(const Plan& plan) {
  set_rlimits(plan);
  use_all_cpus();
  must(sys::call(__NR_setpriority, 0, 0, plan.nice), "set nice", "setpriority");
  sys::call(__NR_umask, static_cast<long>(plan.umask));
  // Asked before the namespace is entered, in which root outside is nobody.
  bool privileged = is_privileged();
  // After all that needs rights outside: higher limits, a better niceness.
  if (plan.has(kPlanUserNamespace)) enter_user_namespace(plan.capabilities);
  if (plan.capabilities != 0) must(sys::prctl(PR_SET_KEEPCAPS, 1), "keep capabilities", "prctl PR_SET_KEEPCAPS");
  if (privileged) set_groups(plan);
  set_ids(plan.uid, plan.gid);
  // Inheritable exactly as ambient needs it, else none (CVE-2022-27650).
  must(set_capabilities(plan.capabilities, plan.capabilities), "set capabilities", "capset");
  for (int capability = 0; capability < 64; capability++) {
    if ((plan.capabilities >> capability & 1) == 0) continue;
    must(sys::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability), "keep capability", "prctl PR_CAP_AMBIENT_RAISE");
  }
}

void enter_directory(const Plan& plan) {
  must(sys::call(__NR_chdir, sys::arg(plan.directory.data)), "enter working directory", "chdir", plan.directory.data);
  // The kernel writes "(unreachable)" before a directory outside this root (CVE-2024-21626).
  char path[4096];
  path[0] = '\0';
  must(sys::call(__NR_getcwd, sys::arg(path), sizeof path), "check working directory", "getcwd", plan.directory.data);
  if (path[0] != '/') fail({"check working directory", nullptr, "getcwd", -kernel::kEperm, plan.directory.data});
}

void install_filter(const Text& program, bool log) {
  if (program.size == 0) return;
  FilterProgram filter = {static_cast<unsigned short>(program.size / 8), program.data};
  long flags = log ? SECCOMP_FILTER_FLAG_LOG : 0;
  long fast = flags | static_cast<long>(SECCOMP_FILTER_FLAG_SPEC_ALLOW);
  long result = sys::call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, fast, sys::arg(&filter));
  // SPEC_ALLOW is of Linux 4.17, LOG of 4.14.
  if (result == -kernel::kEinval) result = sys::call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, sys::arg(&filter));
  must(result, "install seccomp filter", "seccomp");
}

}  // namespace metactl
