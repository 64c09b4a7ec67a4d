// N-API face of process.h, stream.h, poll.h, memory.h and huge_pages.h.
#include <fcntl.h>

#include <vector>

#include "addon_support.h"
#include "exec.h"
#include "huge_pages.h"
#include "memory.h"
#include "poll.h"
#include "process.h"
#include "stream.h"

namespace metactl {

namespace {

/// pidfdOpen(pid) → fd
Napi::Value open_pid(const Napi::CallbackInfo& info) {
  int pid = int_arg(info, 0, "pid");
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), pidfd_open(pid).release()); });
}

/// pidfdSendSignal(pidfd, signal) → false where the process is gone
Napi::Value send_signal(const Napi::CallbackInfo& info) {
  int pidfd = int_arg(info, 0, "pidfd");
  int signal = int_arg(info, 1, "signal");
  return guarded(info.Env(), [&] { return Napi::Boolean::New(info.Env(), pidfd_send_signal(pidfd, signal)); });
}

/// waitPidfd(pidfd) → null | {code, signal, coreDumped}
Napi::Value wait_process(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int pidfd = int_arg(info, 0, "pidfd");
  return guarded(env, [&]() -> Napi::Value {
    ChildEnd end = wait_pidfd(pidfd);
    if (!end.ended) return env.Null();
    Napi::Object result = Napi::Object::New(env);
    result.Set("code", end.code < 0 ? env.Undefined() : Napi::Number::New(env, end.code));
    result.Set("signal", end.signal == 0 ? env.Undefined() : Napi::Number::New(env, end.signal));
    result.Set("coreDumped", Napi::Boolean::New(env, end.core_dumped));
    return result;
  });
}

/// peerCredentials(fd) → {pid, uid, gid}
Napi::Value peer(const Napi::CallbackInfo& info) {
  int fd = int_arg(info, 0, "fd");
  return guarded(info.Env(), [&] {
    PeerCredentials found = peer_credentials(fd);
    Napi::Object result = Napi::Object::New(info.Env());
    result.Set("pid", Napi::Number::New(info.Env(), found.pid));
    result.Set("uid", Napi::Number::New(info.Env(), found.uid));
    result.Set("gid", Napi::Number::New(info.Env(), found.gid));
    return result;
  });
}

/// connectStream(path, milliseconds) → fd
Napi::Value connect_to_supervisor(const Napi::CallbackInfo& info) {
  std::string path = string_arg(info, 0, "path");
  int milliseconds = int_arg(info, 1, "milliseconds");
  if (milliseconds < 1) bad_argument(info.Env(), "milliseconds must be more than 0");
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), connect_stream(path, milliseconds).release()); });
}

/// execProgram(file, argv, environment, keep): does not return
void exec_program(const Napi::CallbackInfo& info) {
  std::string file = string_arg(info, 0, "file");
  std::vector<std::string> arguments = words_arg(info, 1, "argv");
  std::vector<std::string> environment = words_arg(info, 2, "environment");
  Napi::Array items = array_arg(info, 3, "keep");
  std::vector<int> keep;
  for (uint32_t i = 0; i < items.Length(); i++) {
    Napi::Value item = items.Get(i);
    if (!item.IsNumber()) bad_argument(info.Env(), "keep holds no descriptor");
    keep.push_back(item.As<Napi::Number>().Int32Value());
  }
  guarded(info.Env(), [&] { execute_program(file, arguments, environment, keep); });
}

/// closeOnExec(fd)
void close_on_exec(const Napi::CallbackInfo& info) {
  int fd = int_arg(info, 0, "fd");
  guarded(info.Env(), [&] {
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) fail("keep descriptor", "fcntl", std::to_string(fd));
  });
}

/// releaseMemory(stacks: boolean)
void release(const Napi::CallbackInfo& info) { release_memory(info[0].ToBoolean()); }

/// refuseHugePages()
void refuse_pages(const Napi::CallbackInfo&) { refuse_huge_pages(); }

}  // namespace

void register_process(Napi::Env env, Napi::Object exports) {
  exports.Set("pidfdOpen", Napi::Function::New(env, open_pid, "pidfdOpen"));
  exports.Set("pidfdSendSignal", Napi::Function::New(env, send_signal, "pidfdSendSignal"));
  exports.Set("waitPidfd", Napi::Function::New(env, wait_process, "waitPidfd"));
  exports.Set("peerCredentials", Napi::Function::New(env, peer, "peerCredentials"));
  exports.Set("connectStream", Napi::Function::New(env, connect_to_supervisor, "connectStream"));
  exports.Set("execProgram", Napi::Function::New(env, exec_program, "execProgram"));
  exports.Set("closeOnExec", Napi::Function::New(env, close_on_exec, "closeOnExec"));
  exports.Set("releaseMemory", Napi::Function::New(env, release, "releaseMemory"));
  exports.Set("refuseHugePages", Napi::Function::New(env, refuse_pages, "refuseHugePages"));
  exports.Set("poll", Napi::Function::New(env, poll_fd, "poll"));
}

}  // namespace metactl
