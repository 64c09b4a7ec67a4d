// Kernel constants and structs that older headers lack, under names of our own. Sources: the kernel's uapi headers; the
// numbers are the same on every architecture since Linux 5.0 (asm-generic/unistd.h).
#pragma once

#include <linux/types.h>

namespace metactl {
namespace kernel {

// Numbers of system calls.
constexpr long kOpenTree = 428;
constexpr long kMoveMount = 429;
constexpr long kFsopen = 430;
constexpr long kFsconfig = 431;
constexpr long kPidfdSendSignal = 424;
constexpr long kClone3 = 435;
constexpr long kOpenat2 = 437;
constexpr long kMountSetattr = 442;

// linux/mount.h. The four attribute bits equal MS_RDONLY, MS_NOSUID, MS_NODEV and MS_NOEXEC of mount(2).
constexpr unsigned kFsopenCloexec = 1;
constexpr unsigned kFsconfigSetFlag = 0;
constexpr unsigned kFsconfigCreate = 6;
constexpr unsigned kOpenTreeClone = 1;
constexpr unsigned kMoveMountFromEmpty = 0x04;
constexpr unsigned kMoveMountToEmpty = 0x40;
constexpr unsigned kAttrReadOnly = 1;
constexpr unsigned kAttrMask = 0xf;
/// Linux 5.12.
constexpr unsigned kAttrIdmap = 0x100000;
constexpr unsigned kMsRemount = 0x20;
constexpr unsigned kMsBind = 0x1000;
constexpr unsigned kMsRec = 0x4000;
constexpr unsigned kMsPrivate = 1 << 18;
constexpr unsigned kMntDetach = 2;

struct MountAttr {
  __u64 attr_set;
  __u64 attr_clr;
  __u64 propagation;
  __u64 userns_fd;
};

// linux/fcntl.h
constexpr int kAtFdcwd = -100;
constexpr unsigned kAtEmptyPath = 0x1000;
constexpr unsigned kAtRecursive = 0x8000;
constexpr unsigned kAtSymlinkNofollow = 0x100;

// linux/openat2.h
constexpr __u64 kResolveNoMagiclinks = 0x02;
constexpr __u64 kResolveNoSymlinks = 0x04;
constexpr __u64 kResolveInRoot = 0x10;

struct OpenHow {
  __u64 flags;
  __u64 mode;
  __u64 resolve;
};

// linux/sched.h
constexpr unsigned long kCloneVm = 0x100;
constexpr unsigned long kCloneFiles = 0x400;
constexpr unsigned long kClonePidfd = 0x1000;
constexpr unsigned long kCloneVfork = 0x4000;
constexpr unsigned long kCloneNewns = 0x20000;
constexpr unsigned long kCloneNewcgroup = 0x2000000;
constexpr unsigned long kCloneNewuts = 0x4000000;
constexpr unsigned long kCloneNewipc = 0x8000000;
constexpr unsigned long kCloneNewuser = 0x10000000;
constexpr unsigned long kCloneNewpid = 0x20000000;
constexpr unsigned long kCloneNewnet = 0x40000000;
constexpr __u64 kCloneIntoCgroup = 0x200000000ULL;

struct CloneArgs {
  __u64 flags;
  __u64 pidfd;
  __u64 child_tid;
  __u64 parent_tid;
  __u64 exit_signal;
  __u64 stack;
  __u64 stack_size;
  __u64 tls;
  __u64 set_tid;
  __u64 set_tid_size;
  __u64 cgroup;
};

// asm-generic/errno.h, for code without libc's.
constexpr int kEperm = 1;
constexpr int kEnoent = 2;
constexpr int kEsrch = 3;
constexpr int kEintr = 4;
constexpr int kEacces = 13;
constexpr int kEexist = 17;
constexpr int kEnotdir = 20;
constexpr int kEinval = 22;
constexpr int kEmfile = 24;
constexpr int kEnospc = 28;
constexpr int kEnosys = 38;
constexpr int kEloop = 40;

constexpr int kSigkill = 9;
constexpr int kSigchld = 17;
constexpr int kSigstop = 19;

}  // namespace kernel
}  // namespace metactl
