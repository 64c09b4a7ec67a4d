// N-API face of notify.h.
#include "addon_support.h"
#include "notify.h"
#include "store.h"

namespace metactl {

namespace {

/// notifySocket(directory, name, mode, uid, gid) → fd
Napi::Value make_socket(const Napi::CallbackInfo& info) {
  std::string directory = string_arg(info, 0, "directory");
  std::string name = string_arg(info, 1, "name");
  if (name.find('/') != std::string::npos) bad_argument(info.Env(), "name must not hold a slash");
  const Access access = {static_cast<mode_t>(int_arg(info, 2, "mode")), static_cast<uid_t>(int_arg(info, 3, "uid")),
                         static_cast<gid_t>(int_arg(info, 4, "gid"))};
  return guarded(info.Env(),
                 [&] { return Napi::Number::New(info.Env(), notify_socket(directory, name, access).release()); });
}

/// receiveNotification(fd) → null | {text, pid, uid, pidfd, fds, oversized, incomplete}
Napi::Value receive(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = int_arg(info, 0, "fd");
  return guarded(env, [&]() -> Napi::Value {
    auto got = receive_notification(fd);
    if (!got) return env.Null();
    Napi::Object result = Napi::Object::New(env);
    result.Set("text", Napi::Buffer<char>::Copy(env, got->text.data(), got->text.size()));
    result.Set("pid", Napi::Number::New(env, got->pid));
    result.Set("uid", Napi::Number::New(env, got->uid));
    result.Set("oversized", Napi::Boolean::New(env, got->oversized));
    result.Set("incomplete", Napi::Boolean::New(env, got->incomplete));
    Napi::Array fds = Napi::Array::New(env, got->fds.size());
    for (uint32_t i = 0; i < got->fds.size(); i++) fds.Set(i, Napi::Number::New(env, got->fds[i].get()));
    result.Set("fds", fds);
    result.Set("pidfd", got->pidfd ? Napi::Number::New(env, got->pidfd.get()) : env.Undefined());
    // Only now: had something failed, they would have been closed.
    for (Fd& one : got->fds) one.release();
    got->pidfd.release();
    return result;
  });
}

/// isSameFile(fd, fd) → boolean
Napi::Value same_file(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), is_same_file(int_arg(info, 0, "left"), int_arg(info, 1, "right")));
}

/// hasHungUp(fd) → boolean
Napi::Value hung_up(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), has_hung_up(int_arg(info, 0, "fd")));
}

}  // namespace

void register_notify(Napi::Env env, Napi::Object exports) {
  exports.Set("notifySocket", Napi::Function::New(env, make_socket, "notifySocket"));
  exports.Set("isSameFile", Napi::Function::New(env, same_file, "isSameFile"));
  exports.Set("hasHungUp", Napi::Function::New(env, hung_up, "hasHungUp"));
  exports.Set("receiveNotification", Napi::Function::New(env, receive, "receiveNotification"));
}

}  // namespace metactl
