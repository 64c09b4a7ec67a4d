// N-API face of spawn.h.
#include "binding_spawn.h"

#include "addon_support.h"
#include "descriptors.h"
#include "fd_window.h"
#include "protocol.h"
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

std::vector<Tree> decode_trees(Napi::Env env, const Napi::Value& value) {
  std::vector<Tree> trees;
  if (value.IsUndefined()) return trees;
  if (!value.IsArray()) bad_argument(env, "trees must be an array");
  auto list = value.As<Napi::Array>();
  if (list.Length() > kMostTrees) bad_argument(env, "there are too many trees");
  for (uint32_t i = 0; i < list.Length(); i++) {
    Napi::Value item = list.Get(i);
    if (!item.IsObject()) bad_argument(env, "trees must hold objects");
    auto object = item.As<Napi::Object>();
    auto attributes = static_cast<uint32_t>(int_field(object, "attributes", 0, 15));
    trees.push_back({text_field(object, "path"), flag(object, "recursive"), attributes, flag(object, "idmapped")});
  }
  return trees;
}

/// None where it is undefined.
std::vector<int> descriptors(const Napi::Object& object, const char* name) {
  Napi::Value value = object.Get(name);
  std::vector<int> result;
  if (value.IsUndefined()) return result;
  if (!value.IsArray()) bad_argument(object.Env(), std::string(name) + " must be an array");
  auto list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    Napi::Value fd = list.Get(i);
    if (!fd.IsNumber()) bad_argument(object.Env(), std::string(name) + " must hold descriptors");
    result.push_back(fd.As<Napi::Number>().Int32Value());
  }
  return result;
}

/// spawn(options) → {pid, pidfd, error, status}
Napi::Value spawn_init(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  SpawnOptions options = decode_spawn(env, object_arg(info, 0, "options"));
  return guarded(env, [&] {
    Spawned made = spawn(options);
    return spawned_object(env, made);
  });
}

/// fileIds(paths) → bytes: what tells one file or mount point from every other, or zeroes where there is none
Napi::Value file_ids(const Napi::CallbackInfo& info) {
  if (!info[0].IsArray()) bad_argument(info.Env(), "paths must be an array");
  auto list = info[0].As<Napi::Array>();
  std::vector<FileId> ids(list.Length());
  for (uint32_t i = 0; i < list.Length(); i++) {
    Napi::Value path = list.Get(i);
    if (!path.IsString()) bad_argument(info.Env(), "paths must hold strings");
    ids[i] = file_id(path.As<Napi::String>().Utf8Value().c_str());
  }
  auto bytes = Napi::Buffer<char>::Copy(info.Env(), reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(FileId));
  return {info.Env(), bytes};
}

/// reserveDescriptors(): early, while low numbers are free; goes on beside
void reserve_descriptors(const Napi::CallbackInfo&) { begin_fd_window(); }

/// hasMountApi() → whether this kernel has open_tree, move_mount and mount_setattr
Napi::Value mount_api(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), has_mount_api()); }

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

std::string text_field(const Napi::Object& object, const char* name) {
  Napi::Value value = object.Get(name);
  if (!value.IsString()) bad_argument(object.Env(), std::string(name) + " must be a string");
  return value.As<Napi::String>().Utf8Value();
}

SpawnOptions decode_spawn(Napi::Env env, const Napi::Object& object) {
  SpawnOptions options;
  options.init = fd_field(object, "init");
  options.plan = fd_field(object, "plan");
  options.standard[0] = fd_field(object, "stdin");
  options.standard[1] = fd_field(object, "stdout");
  options.standard[2] = fd_field(object, "stderr");
  options.liveness = fd_field(object, "liveness");
  options.target = optional_fd(object, "target");
  options.netns = optional_fd(object, "netns");
  options.user = optional_fd(object, "user");
  options.idmap = optional_fd(object, "idmap");
  options.ready = optional_fd(object, "ready");
  options.stored = descriptors(object, "stored");
  if (options.stored.size() > kMostStored) bad_argument(env, "there are too many stored descriptors");
  options.cgroup = optional_fd(object, "cgroup");
  options.isolated = flag(object, "isolated");
  options.new_mounts = flag(object, "newMounts");
  options.stage = optional_fd(object, "stage");
  options.trees = decode_trees(env, object.Get("trees"));
  if (options.stage < 0 ? !options.trees.empty() : !options.new_mounts) bad_argument(env, "stage and trees don't fit");
  options.new_network = flag(object, "newNetwork");
  options.title = text_field(object, "title");
  options.tasks = descriptors(object, "tasks");
  if (options.tasks.size() > kMostTasks) bad_argument(env, "there are too many cgroups");
  options.order = optional_fd(object, "order");
  if (options.order >= 0 && options.stage < 0) bad_argument(env, "order needs a stage");
  return options;
}

Napi::Object spawned_object(Napi::Env env, Spawned& made) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("pid", Napi::Number::New(env, made.pid));
  result.Set("pidfd", Napi::Number::New(env, made.pidfd.release()));
  result.Set("error", Napi::Number::New(env, made.error.release()));
  result.Set("status", Napi::Number::New(env, made.status.release()));
  return result;
}

void register_spawn(Napi::Env env, Napi::Object exports) {
  exports.Set("spawn", Napi::Function::New(env, spawn_init, "spawn"));
  exports.Set("fileIds", Napi::Function::New(env, file_ids, "fileIds"));
  exports.Set("reserveDescriptors", Napi::Function::New(env, reserve_descriptors, "reserveDescriptors"));
  exports.Set("hasMountApi", Napi::Function::New(env, mount_api, "hasMountApi"));
  exports.Set("sealedMemfd", Napi::Function::New(env, make_memfd, "sealedMemfd"));
  exports.Set("pipe", Napi::Function::New(env, make_pipe_pair, "pipe"));
}

}  // namespace metactl
