// The binary plan: written by src/host/linux/encode.ts, checked here before anything is done. All numbers are in host
// byte order; a string is u32 length, bytes, NUL; a list is u32 count, items. Nothing in it is text to be parsed.
#pragma once

#include <linux/types.h>

namespace metactl {

constexpr __u32 kPlanMagic = 0x4c43544d;  // "MTCL"
/// Raised with every change of the layout: an addon and a metactl-init of two builds must not meet.
constexpr __u32 kPlanVersion = 8;
constexpr unsigned long kPlanLimit = 64ul << 20;

enum PlanMode : __u32 {
  kModeRun = 1,
  kModeJoin = 2,
  /// Builds a root and waits: its mount namespace is what launches start from.
  kModeStage = 3,
  /// Makes a user namespace and waits: the supervisor writes its maps and takes hold of it.
  kModeUser = 4,
};

enum PlanFlag : __u32 {
  kPlanSandboxed = 1,
  /// Brings the loopback device of a network namespace of its own up.
  kPlanLoopback = 2,
  /// Standard input becomes the controlling terminal.
  kPlanTerminal = 4,
  /// The root is there already (this mount namespace is a copy of a stage's); the steps add to it.
  kPlanStaged = 8,
  /// The kernel's log tells of what the daemon's filter refuses.
  kPlanLogCalls = 16,
  /// The daemon enters the user namespace behind kFdUser; its ids are those of that namespace.
  kPlanUserNamespace = 32,
};

enum StepOp : __u32 {
  kOpBind = 1,      // source, target, number of its tree
  kOpMount = 2,     // target, file system type, data
  kOpRemount = 3,   // target
  kOpOverlay = 4,   // target, list of lower directories
  kOpMkdir = 5,     // directory, name, mode, uid, gid
  kOpFile = 6,      // directory, name, mode, content
  kOpSymlink = 7,   // directory, name, text
  kOpDevice = 8,    // directory, name, mode, major, minor
};

enum StepFlag : __u32 {
  // The low four bits are MOUNT_ATTR_RDONLY, _NOSUID, _NODEV and _NOEXEC.
  kStepRecursive = 0x100,
  /// The bind's source is a path in the new root.
  kStepInside = 0x200,
  /// The bind shows ids as the user namespace behind kFdIdmap maps them.
  kStepIdmapped = 0x400,
};

/// A bind's source that is not handed over as a detached tree (protocol.h) but opened here.
constexpr __u32 kNoTree = ~0u;

/// A string in the plan: bounds-checked, with a NUL behind it and none in it.
struct Text {
  const char* data;
  __u32 size;
};

struct Step {
  __u32 op;
  __u32 flags;
  Text target;  // or the directory, for the ops that make a name in it
  Text second;  // source, type, name
  Text third;   // data, content, link text
  __u32 mode;
  __u32 first;   // uid, major or tree
  __u32 other;   // gid or minor
  const char* list;  // overlay: where its lower directories begin
  __u32 count;
};

/// Reads one value after the other and never past the end; `ok` turns false for good at the first that doesn't fit.
class Reader {
 public:
  Reader(const char* data, unsigned long size) : at_(data), end_(data + size) {}
  bool ok() const { return ok_; }
  bool at_end() const { return at_ == end_; }
  const char* position() const { return at_; }
  __u32 u32();
  __u64 u64();
  __s32 s32() { return static_cast<__s32>(u32()); }
  /// Bytes, which may hold NULs.
  Text bytes();
  /// Bytes without a NUL.
  Text text();
  /// Text that begins with `/`.
  Text path();
  /// A count of items of at least `least` bytes each.
  __u32 count(__u32 least);
  void reject() { ok_ = false; }

 private:
  const char* take(unsigned long size);
  const char* at_;
  const char* end_;
  bool ok_ = true;
};

/// Reads one step; `ok` of the reader tells whether it fits.
Step read_step(Reader& reader);

/// A list of which only the beginning is kept; the items are read again when they are needed.
struct List {
  const char* data;
  __u32 count;
};

struct Plan {
  const char* begin;
  unsigned long size;
  __u32 mode;
  __u32 flags;
  Text hostname;
  /// Pid of the first process in a PID namespace of its own; 0: the kernel's choice.
  __u32 first_pid;
  /// The number by which the daemon gets kFdReady; 0: it gets none.
  __u32 ready_fd;
  /// How many descriptors wait in kFdStore; 0: there is none. The daemon is told its pid as LISTEN_PID then.
  __u32 stored;
  __u32 uid;
  __u32 gid;
  List groups;
  __u64 capabilities;
  __u32 umask;
  __s32 nice;
  __s32 oom_score_adj;
  List rlimits;
  Text directory;
  Text seccomp;
  List argv;
  List env;
  /// Paths to try for argv[0], in order.
  List programs;
  List steps;
  List masked;
  List read_only;

  Reader reader(const List& list) const;
  bool has(PlanFlag flag) const { return (flags & flag) != 0; }
};

/// Checks all of a plan. @returns false, and names what does not fit, where it is not one of this version.
bool read_plan(const char* data, unsigned long size, Plan& plan, const char** problem);

}  // namespace metactl
