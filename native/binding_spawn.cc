// N-API face of spawn.h.
#include "addon_support.h"
#include "spawn.h"

namespace metactl {

namespace {

constexpr int64_t kMostFds = INT32_MAX;

int fd_field(const Napi::Object& object, const char* name) {
  return static_cast<int>(int_field(object, name, 0, kMostFds));
}

int optional_fd(const Napi::Object& object, const char* name) {
  return static_cast<int>(int_field(object, name, 0, kMostFds, -1));
}

bool flag(const Napi::Object& object, const char* name) {
  Napi::Value value = object.Get(name);
  if (!value.IsBoolean()) bad_argument(object.Env(), std::string(name) + " must be a boolean");
  return value.As<Napi::Boolean>();
}

SpawnOptions decode(Napi::Env env, const Napi::Object& object) {
  SpawnOptions options;
  options.init = fd_field(object, "init");
  options.plan = fd_field(object, "plan");
  options.standard[0] = fd_field(object, "stdin");
  options.standard[1] = fd_field(object, "stdout");
  options.standard[2] = fd_field(object, "stderr");
  options.liveness = fd_field(object, "liveness");
  options.target = optional_fd(object, "target");
  options.netns = optional_fd(object, "netns");
  options.cgroup = optional_fd(object, "cgroup");
  options.sandboxed = flag(object, "sandboxed");
  options.new_network = flag(object, "newNetwork");
  Napi::Value title = object.Get("title");
  if (!title.IsString()) bad_argument(env, "title must be a string");
  options.title = title.As<Napi::String>().Utf8Value();
  Napi::Value tasks = object.Get("tasks");
  if (!tasks.IsArray()) bad_argument(env, "tasks must be an array");
  auto list = tasks.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    Napi::Value fd = list.Get(i);
    if (!fd.IsNumber()) bad_argument(env, "tasks must hold descriptors");
    options.tasks.push_back(fd.As<Napi::Number>().Int32Value());
  }
  return options;
}

/// spawn(options) → {pid, pidfd, error, status}
Napi::Value spawn_init(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  SpawnOptions options = decode(env, object_arg(info, 0, "options"));
  return guarded(env, [&] {
    Spawned made = spawn(options);
    Napi::Object result = Napi::Object::New(env);
    result.Set("pid", Napi::Number::New(env, made.pid));
    result.Set("pidfd", Napi::Number::New(env, made.pidfd.release()));
    result.Set("error", Napi::Number::New(env, made.error.release()));
    result.Set("status", Napi::Number::New(env, made.status.release()));
    return result;
  });
}

/// sealedMemfd(name, bytes, executable) → fd
Napi::Value make_memfd(const Napi::CallbackInfo& info) {
  std::string name = string_arg(info, 0, "name");
  if (!info[1].IsTypedArray()) bad_argument(info.Env(), "bytes must be a Uint8Array");
  auto bytes = info[1].As<Napi::Uint8Array>();
  bool executable = info[2].ToBoolean();
  return guarded(info.Env(), [&] {
    Fd fd = sealed_memfd(name.c_str(), bytes.Data(), bytes.ByteLength(), executable);
    return Napi::Number::New(info.Env(), fd.release());
  });
}

/// pipe({nonblockingRead}) → {read, write}
Napi::Value make_pipe_pair(const Napi::CallbackInfo& info) {
  bool nonblocking = info[0].ToBoolean();
  return guarded(info.Env(), [&] {
    Pipe made = make_pipe(nonblocking);
    Napi::Object result = Napi::Object::New(info.Env());
    result.Set("read", Napi::Number::New(info.Env(), made.read.release()));
    result.Set("write", Napi::Number::New(info.Env(), made.write.release()));
    return result;
  });
}

}  // namespace

void register_spawn(Napi::Env env, Napi::Object exports) {
  exports.Set("spawn", Napi::Function::New(env, spawn_init, "spawn"));
  exports.Set("sealedMemfd", Napi::Function::New(env, make_memfd, "sealedMemfd"));
  exports.Set("pipe", Napi::Function::New(env, make_pipe_pair, "pipe"));
}

}  // namespace metactl
