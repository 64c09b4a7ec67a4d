// N-API face of respawn.h.
#include <cstring>
#include <ctime>
#include <utility>

#include "addon_support.h"
#include "binding_spawn.h"

namespace metactl {

namespace {

using Guard = std::shared_ptr<GuardedStage>;

/// Tells an external of ours from others.
constexpr napi_type_tag kGuardTag = {0x6d65746163746c31, 0x67756172642d7374};

std::vector<std::string> texts(Napi::Env env, const Napi::Value& value, const char* name) {
  if (!value.IsArray()) bad_argument(env, std::string(name) + " must be an array");
  auto list = value.As<Napi::Array>();
  std::vector<std::string> result;
  for (uint32_t i = 0; i < list.Length(); i++) {
    Napi::Value item = list.Get(i);
    if (!item.IsString()) bad_argument(env, std::string(name) + " must hold strings");
    result.push_back(item.As<Napi::String>().Utf8Value());
  }
  return result;
}

Napi::Uint8Array bytes_of(Napi::Env env, const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    bad_argument(env, std::string(name) + " must be bytes");
  }
  return value.As<Napi::Uint8Array>();
}

/// guardStage(mounts, paths, ids) → {guard, close()}
Napi::Value guard_stage(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto guard = std::make_shared<GuardedStage>();
  guard->mounts = int_arg(info, 0, "mounts");
  guard->paths = texts(env, info[1], "paths");
  Napi::Uint8Array ids = bytes_of(env, info[2], "ids");
  if (ids.ByteLength() != guard->paths.size() * sizeof(FileId)) bad_argument(env, "ids and paths don't fit");
  guard->ids.resize(guard->paths.size());
  if (!guard->ids.empty()) std::memcpy(guard->ids.data(), ids.Data(), ids.ByteLength());
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): the external's finalizer deletes it.
  auto external = Napi::External<Guard>::New(env, new Guard(guard), [](Napi::Env, Guard* held) { delete held; });
  external.TypeTag(&kGuardTag);
  Napi::Object result = Napi::Object::New(env);
  result.Set("guard", external);
  auto close = [guard](const Napi::CallbackInfo&) { guard->mounts = -1; };
  result.Set("close", Napi::Function::New(env, close, "close"));
  return result;
}

Guard guard_of(Napi::Env env, const Napi::Value& value) {
  if (!value.IsExternal() || !value.As<Napi::External<Guard>>().CheckTypeTag(&kGuardTag)) {
    bad_argument(env, "guard must come from guardStage");
  }
  return *value.As<Napi::External<Guard>>().Data();
}

int64_t monotonic_after(double milliseconds) {
  struct timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec + static_cast<int64_t>(milliseconds * 1e6);
}

std::optional<Spare> decode_spare(Napi::Env env, const Napi::Value& value) {
  if (value.IsUndefined()) return {};
  if (!value.IsObject()) bad_argument(env, "spare must be an object");
  auto object = value.As<Napi::Object>();
  auto number = [&object](const char* name) { return static_cast<int>(int_field(object, name, 0, INT32_MAX)); };
  Spare spare;
  spare.pid = number("pid");
  spare.order = number("order");
  spare.pidfd = number("pidfd");
  spare.error = number("error");
  spare.status = number("status");
  spare.output = number("stdout");
  spare.errors = number("stderr");
  spare.ready = static_cast<int>(int_field(object, "ready", 0, INT32_MAX, -1));
  spare.sources = guard_of(env, object.Get("sources"));
  return spare;
}

}  // namespace

std::unique_ptr<Armed> decode_armed(Napi::Env env, const Napi::Object& object) {
  auto armed = std::make_unique<Armed>();
  Napi::Value spawn = object.Get("spawn");
  Napi::Value processes = object.Get("processes");
  if (!spawn.IsObject()) bad_argument(env, "spawn must be an object");
  if (!processes.IsString()) bad_argument(env, "processes must be a string");
  armed->options = decode_spawn(env, spawn.As<Napi::Object>());
  armed->stage = guard_of(env, object.Get("guard"));
  armed->tells_ready = object.Get("tellsReady").ToBoolean();
  armed->uid = static_cast<uid_t>(int_field(object, "uid", 0, UINT32_MAX - 1));
  armed->gid = static_cast<gid_t>(int_field(object, "gid", 0, UINT32_MAX - 1));
  Napi::Uint8Array endings = bytes_of(env, object.Get("endings"), "endings");
  if (endings.ByteLength() != kEndings) bad_argument(env, "endings has another length");
  armed->endings.assign(endings.Data(), endings.Data() + kEndings);
  armed->not_before = monotonic_after(static_cast<double>(int_field(object, "delay", 0, INT32_MAX)));
  armed->processes = processes.As<Napi::String>().Utf8Value();
  armed->spare = decode_spare(env, object.Get("spare"));
  armed->init = static_cast<pid_t>(int_field(object, "pid", 1, INT32_MAX));
  return armed;
}

Napi::Object respawned_object(Napi::Env env, Respawned& made) {
  Napi::Object result = spawned_object(env, made.spawned);
  result.Set("stdout", Napi::Number::New(env, made.output.release()));
  result.Set("stderr", Napi::Number::New(env, made.errors.release()));
  if (made.ready) result.Set("ready", Napi::Number::New(env, made.ready.release()));
  return result;
}

void register_respawn(Napi::Env env, Napi::Object exports) {
  exports.Set("guardStage", Napi::Function::New(env, guard_stage, "guardStage"));
}

}  // namespace metactl
