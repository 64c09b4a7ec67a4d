#include "report.h"

#include <linux/fcntl.h>

#include "sys.h"

namespace metactl {

namespace {

/// PIPE_BUF.
constexpr unsigned kLimit = 4096;

struct Message {
  char data[kLimit];
  unsigned size = 0;

  __u16 add(const char* text) {
    __u16 added = 0;
    while (text != nullptr && *text != '\0' && size < kLimit) {
      data[size++] = *text++;
      added++;
    }
    return added;
  }
};

/// Where failures are told: counted from kFdError, and on a page of its own, so that it begins as nothing but zeros, which
/// take no memory until they are written. PID 1 never writes it.
alignas(4096) int error_pipe_offset = 0;

int error_pipe() { return kFdError + error_pipe_offset; }

}  // namespace

void move_error_pipe(int to) {
  must(sys::dup3(error_pipe(), to, O_CLOEXEC), "hand over descriptor", "dup3");
  sys::close(error_pipe());
  error_pipe_offset = to - kFdError;
}

void fail(const Failure& failure) {
  Message message;
  ErrorRecord record = {};
  record.magic = kErrorMagic;
  record.error = static_cast<__s32>(-failure.result);
  record.exit_status = static_cast<__u16>(failure.exit_status);
  message.size = sizeof record;
  record.step_size = message.add(failure.step);
  if (failure.object != nullptr) {
    record.step_size = static_cast<__u16>(record.step_size + message.add(" "));
    record.step_size = static_cast<__u16>(record.step_size + message.add(failure.object));
  }
  record.call_size = message.add(failure.call);
  record.path_size = message.add(failure.path);
  if (failure.name != nullptr) {
    record.path_size = static_cast<__u16>(record.path_size + message.add("/"));
    record.path_size = static_cast<__u16>(record.path_size + message.add(failure.name));
  }
  __builtin_memcpy(message.data, &record, sizeof record);
  sys::write(error_pipe(), message.data, message.size);
  sys::exit_group(failure.exit_status);
}

}  // namespace metactl
