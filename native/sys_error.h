// A failed system call, thrown by everything behind the N-API boundary; addon_support turns it into a MetactlError.
#pragma once

#include <cerrno>
#include <string>
#include <utility>

namespace metactl {

struct SysError {
  /// What was being done, in an administrator's words: `mount tmpfs`.
  std::string step;
  /// The system call: `openat2`.
  std::string call;
  int error;
  /// The path or name it was about; may be empty.
  std::string path;
};

[[noreturn]] inline void fail(std::string step, std::string call, std::string path = {}, int error = errno) {
  throw SysError{std::move(step), std::move(call), error, std::move(path)};
}

}  // namespace metactl
