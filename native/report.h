// Telling the supervisor what failed. There is no way back from a half-built sandbox, so every failure ends the process.
#pragma once

#include "protocol.h"

namespace metactl {

struct Failure {
  /// What was being done, in an administrator's words.
  const char* step;
  /// Appended to `step` after a space; may be null.
  const char* object;
  const char* call;
  /// Negative errno, as sys::call returns it.
  long result;
  const char* path;
  int exit_status = kExitSandbox;
  /// Appended to `path` after a slash; may be null.
  const char* name = nullptr;
};

/// Failures are told by this number from now on: the daemon gets the one that was theirs.
void move_error_pipe(int to);

/// Writes the failure to the error pipe and ends this process.
[[noreturn]] void fail(const Failure& failure);

/// `result` where it is >= 0; otherwise fails.
inline long must(long result, const char* step, const char* call, const char* path = "") {
  if (result < 0) fail({step, nullptr, call, result, path});
  return result;
}

}  // namespace metactl
