#include "respawn.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

#include "descriptors.h"
#include "sys_error.h"

namespace metactl {

namespace {

int64_t monotonic_now() {
  struct timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

bool is_expected(const Armed& armed, const StatusRecord& record) {
  if (record.magic != kStatusMagic || record.kind != kStatusEnded) return false;
  // -1 stands for a signal. One that left a core counts as a failure whatever its signal, which a list can't say.
  int ending = record.code >= 0 ? record.code : 256 + record.signal;
  if (record.core_dumped != 0 || ending < 0 || static_cast<size_t>(ending) >= armed.endings.size()) return false;
  return armed.endings[static_cast<size_t>(ending)] != 0 && monotonic_now() >= armed.not_before;
}

/// False also where the file can't be read, or is longer than a single pid.
bool holds_only(const std::string& processes, pid_t init) {
  Fd file(::open(processes.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file) return false;
  char text[64];
  ssize_t size = ::read(file.get(), text, sizeof text - 1);
  if (size < 0) return false;
  text[size] = '\0';
  char* end = nullptr;
  return size == 0 || (std::strtol(text, &end, 10) == init && std::strcmp(end, "\n") == 0);
}

Pipe output_pipe(const Armed& armed) {
  Pipe pipe = make_pipe(true);
  // So that the app can open /dev/stdout and /dev/stderr, which many do.
  if (::fchown(pipe.write.get(), armed.uid, armed.gid) != 0) fail("hand over descriptor", "fchown");
  return pipe;
}

Respawned adopted(const Spare& spare) {
  Respawned result;
  result.spawned.pid = spare.pid;
  result.spawned.pidfd = Fd(spare.pidfd);
  result.spawned.error = Fd(spare.error);
  result.spawned.status = Fd(spare.status);
  result.output = Fd(spare.output);
  result.errors = Fd(spare.errors);
  result.ready = Fd(spare.ready);
  return result;
}

/// Until the daemon is executed or has failed, a moment at most: whoever goes on would keep it from the CPU that both were put on.
void give_way(const Spare& spare) {
  struct pollfd over = {spare.error, POLLIN, 0};
  struct timespec longest = {0, 1'500'000};
  ::ppoll(&over, 1, &longest, nullptr);
}

/// Nothing where the spare is no good, or has ended.
std::optional<Respawned> order(const Armed& armed) {
  const Spare& spare = *armed.spare;
  if (!spare.sources->is_current()) return {};
  const OrderRecord record = {kOrderMagic, static_cast<__u32>(armed.options.trees.size()),
                              static_cast<__u32>(armed.options.tasks.size())};
  if (::write(spare.order, &record, sizeof record) != sizeof record) return {};
  give_way(spare);
  return adopted(spare);
}

}  // namespace

bool GuardedStage::is_current() const {
  if (mounts < 0) return false;
  for (size_t i = 0; i < paths.size(); i++) {
    FileId id = file_id(paths[i].c_str());
    if (std::memcmp(&id, &ids[i], sizeof id) != 0) return false;
  }
  return true;
}

std::optional<Respawned> respawn(const Armed& armed, const StatusRecord& record) {
  if (!is_expected(armed, record) || !holds_only(armed.processes, armed.init) || !armed.stage->is_current()) return {};
  if (armed.spare) {
    std::optional<Respawned> made = order(armed);
    if (made) return made;
  }
  Pipe output = output_pipe(armed);
  Pipe errors = output_pipe(armed);
  Pipe ready;
  SpawnOptions options = armed.options;
  options.stage = armed.stage->mounts;
  options.standard[1] = output.write.get();
  options.standard[2] = errors.write.get();
  if (armed.tells_ready) {
    ready = output_pipe(armed);
    options.ready = ready.write.get();
  }
  Respawned result;
  result.spawned = spawn(options);
  result.output = std::move(output.read);
  result.errors = std::move(errors.read);
  result.ready = std::move(ready.read);
  return result;
}

}  // namespace metactl
