#include "plan.h"

#include "protocol.h"

namespace metactl {

namespace {

// RLIM_NLIMITS, and the number of capabilities that fits the mask.
constexpr __u32 kRlimits = 16;
/// BPF_MAXINSNS × sizeof(sock_filter).
constexpr __u32 kSeccompLimit = 4096 * 8;
constexpr __u32 kModeBits = 07777;

Text name_in_directory(Reader& reader) {
  Text name = reader.text();
  bool dots = name.size == 1 ? name.data[0] == '.' : name.size == 2 && name.data[0] == '.' && name.data[1] == '.';
  if (!reader.ok() || name.size == 0 || dots) {
    reader.reject();
    return name;
  }
  for (__u32 i = 0; i < name.size; i++) {
    if (name.data[i] == '/') reader.reject();
  }
  return name;
}

__u32 mode_of(Reader& reader) {
  __u32 mode = reader.u32();
  if ((mode & ~kModeBits) != 0) reader.reject();
  return mode;
}

List texts(Reader& reader, bool paths) {
  List list;
  list.count = reader.count(5);
  list.data = reader.position();
  for (__u32 i = 0; i < list.count && reader.ok(); i++) paths ? reader.path() : reader.text();
  return list;
}

List steps(Reader& reader) {
  List list;
  list.count = reader.count(8);
  list.data = reader.position();
  for (__u32 i = 0; i < list.count && reader.ok(); i++) read_step(reader);
  return list;
}

List rlimits(Reader& reader) {
  List list;
  list.count = reader.count(20);
  list.data = reader.position();
  for (__u32 i = 0; i < list.count && reader.ok(); i++) {
    if (reader.u32() >= kRlimits) reader.reject();
    __u64 soft = reader.u64();
    if (soft > reader.u64()) reader.reject();
  }
  return list;
}

List groups(Reader& reader) {
  List list;
  list.count = reader.count(4);
  list.data = reader.position();
  for (__u32 i = 0; i < list.count && reader.ok(); i++) reader.u32();
  return list;
}

void read_process(Reader& reader, Plan& plan) {
  plan.uid = reader.u32();
  plan.gid = reader.u32();
  plan.groups = groups(reader);
  plan.capabilities = reader.u64();
  plan.umask = mode_of(reader);
  plan.nice = reader.s32();
  plan.oom_score_adj = reader.s32();
  plan.rlimits = rlimits(reader);
  plan.directory = reader.path();
  plan.seccomp = reader.bytes();
  if (plan.seccomp.size % 8 != 0 || plan.seccomp.size > kSeccompLimit) reader.reject();
  plan.argv = texts(reader, false);
  plan.env = texts(reader, false);
  plan.programs = texts(reader, true);
  // -1 means "leave as it is" to setresuid: it would keep root.
  if (plan.uid == ~0u || plan.gid == ~0u || plan.argv.count == 0 || plan.programs.count == 0) reader.reject();
}

}  // namespace

const char* Reader::take(unsigned long size) {
  if (!ok_ || size > static_cast<unsigned long>(end_ - at_)) {
    ok_ = false;
    return nullptr;
  }
  const char* found = at_;
  at_ += size;
  return found;
}

__u32 Reader::u32() {
  __u32 value = 0;
  const char* from = take(sizeof value);
  if (from != nullptr) __builtin_memcpy(&value, from, sizeof value);
  return value;
}

__u64 Reader::u64() {
  __u64 value = 0;
  const char* from = take(sizeof value);
  if (from != nullptr) __builtin_memcpy(&value, from, sizeof value);
  return value;
}

Text Reader::bytes() {
  __u32 size = u32();
  const char* from = take(static_cast<unsigned long>(size) + 1);
  if (from == nullptr || from[size] != '\0') {
    ok_ = false;
    return {"", 0};
  }
  return {from, size};
}

Text Reader::text() {
  Text found = bytes();
  for (__u32 i = 0; i < found.size; i++) {
    if (found.data[i] == '\0') ok_ = false;
  }
  return found;
}

Text Reader::path() {
  Text found = text();
  if (found.size == 0 || found.data[0] != '/' || found.size >= 4096) ok_ = false;
  return found;
}

__u32 Reader::count(__u32 least) {
  __u32 count = u32();
  if (count > static_cast<unsigned long>(end_ - at_) / least) {
    ok_ = false;
    return 0;
  }
  return count;
}

Step read_step(Reader& reader) {
  Step step = {};
  step.op = reader.u32();
  step.flags = reader.u32();
  step.target = reader.path();
  switch (step.op) {
    case kOpBind:
      step.second = reader.path();
      step.first = reader.u32();
      if (step.first != kNoTree && step.first >= kMostTrees) reader.reject();
      if ((step.flags & kStepIdmapped) != 0 && (step.flags & kStepInside) != 0) reader.reject();
      break;
    case kOpMount:
      step.second = reader.text();
      step.third = reader.text();
      break;
    case kOpRemount:
      break;
    case kOpOverlay: {
      List lower = texts(reader, true);
      step.list = lower.data;
      step.count = lower.count;
      if (step.count == 0) reader.reject();
      break;
    }
    case kOpMkdir:
      step.second = name_in_directory(reader);
      step.mode = mode_of(reader);
      step.first = reader.u32();
      step.other = reader.u32();
      break;
    case kOpFile:
      step.second = name_in_directory(reader);
      step.mode = mode_of(reader);
      step.third = reader.bytes();
      break;
    case kOpSymlink:
      step.second = name_in_directory(reader);
      step.third = reader.text();
      break;
    case kOpDevice:
      step.second = name_in_directory(reader);
      step.mode = mode_of(reader);
      step.first = reader.u32();
      step.other = reader.u32();
      break;
    default:
      reader.reject();
  }
  return step;
}

Reader Plan::reader(const List& list) const {
  return Reader(list.data, size - static_cast<unsigned long>(list.data - begin));
}

bool read_plan(const char* data, unsigned long size, Plan& plan, const char** problem) {
  Reader reader(data, size);
  plan = {};
  plan.begin = data;
  plan.size = size;
  *problem = "not a plan of this version";
  if (reader.u32() != kPlanMagic || reader.u32() != kPlanVersion) return false;
  *problem = "not all there";
  if (reader.u32() != size || size > kPlanLimit) return false;
  plan.mode = reader.u32();
  plan.flags = reader.u32();
  *problem = "unknown mode";
  if (!reader.ok() || (plan.mode < kModeRun || plan.mode > kModeUser)) return false;
  plan.hostname = reader.text();
  plan.first_pid = reader.u32();
  plan.ready_fd = reader.u32();
  plan.stored = reader.u32();
  *problem = "too many descriptors";
  if (plan.stored > kMostStored) return false;
  *problem = "bad process";
  read_process(reader, plan);
  if (!reader.ok()) return false;
  *problem = "bad mount steps";
  plan.steps = steps(reader);
  plan.masked = texts(reader, true);
  plan.read_only = texts(reader, true);
  return reader.ok() && reader.at_end();
}

}  // namespace metactl
