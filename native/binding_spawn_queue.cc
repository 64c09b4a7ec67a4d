// N-API face of spawn_queue.h.
#include <fcntl.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon_support.h"
#include "binding_spawn.h"
#include "spawn_queue.h"

namespace metactl {

namespace {

std::vector<std::string> texts(const Napi::Object& object, const char* name) {
  Napi::Value value = object.Get(name);
  if (!value.IsArray()) bad_argument(object.Env(), std::string(name) + " must be an array");
  auto list = value.As<Napi::Array>();
  std::vector<std::string> result;
  result.reserve(list.Length());
  for (uint32_t i = 0; i < list.Length(); i++) {
    Napi::Value text = list.Get(i);
    if (!text.IsString()) bad_argument(object.Env(), std::string(name) + " must hold strings");
    result.push_back(text.As<Napi::String>().Utf8Value());
  }
  return result;
}

std::vector<CgroupWrite> decode_writes(const Napi::Object& object) {
  Napi::Value value = object.Get("writes");
  if (!value.IsArray()) bad_argument(object.Env(), "writes must be an array");
  auto list = value.As<Napi::Array>();
  std::vector<CgroupWrite> writes;
  for (uint32_t i = 0; i < list.Length(); i++) {
    Napi::Value item = list.Get(i);
    if (!item.IsObject()) bad_argument(object.Env(), "writes must hold objects");
    auto one = item.As<Napi::Object>();
    writes.push_back({text_field(one, "file"), text_field(one, "value"), one.Get("optional").ToBoolean()});
  }
  return writes;
}

std::unique_ptr<CgroupRequest> decode_cgroup(Napi::Env env, const Napi::Value& value) {
  if (value.IsUndefined()) return nullptr;
  if (!value.IsObject()) bad_argument(env, "cgroup must be an object");
  auto object = value.As<Napi::Object>();
  auto request = std::make_unique<CgroupRequest>();
  request->absent = texts(object, "absent");
  request->v1 = texts(object, "v1");
  request->v2 = text_field(object, "v2");
  request->filled = texts(object, "filled");
  request->controllers = texts(object, "controllers");
  request->writes = decode_writes(object);
  return request;
}

/// spawned_object with the descriptors of its cgroup: {…, tasks, directory}
Napi::Object launched_object(Napi::Env env, QueuedSpawn& job) {
  Napi::Object result = spawned_object(env, *job.made);
  if (job.cgroup == nullptr) return result;
  auto& tasks = job.made_cgroup.tasks;
  auto numbers = Napi::Array::New(env, tasks.size());
  for (uint32_t i = 0; i < tasks.size(); i++) numbers.Set(i, Napi::Number::New(env, tasks[i].release()));
  result.Set("tasks", numbers);
  if (job.made_cgroup.directory) {
    result.Set("directory", Napi::Number::New(env, job.made_cgroup.directory.release()));
  }
  return result;
}

void call_back(Napi::Env env, Napi::Function callback, QueuedSpawn* done) {
  std::unique_ptr<QueuedSpawn> job(done);
  // Undefined where the environment is ending. What runs ends with this process, by its liveness pipe.
  if (static_cast<napi_env>(env) == nullptr) return;
  try {
    if (job->error != nullptr) callback.Call({make_error(env, *job->error).Value()});
    else callback.Call({env.Null(), launched_object(env, *job)});
  } catch (const Napi::Error&) {
    // A process that ends runs no more JavaScript, though its environment is still there.
  }
}

/// spawnSoon(options, cgroup, (error, spawned) => …)
void spawn_soon(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto job = std::make_unique<QueuedSpawn>();
  job->options = decode_spawn(env, object_arg(info, 0, "options"));
  job->cgroup = decode_cgroup(env, info[1]);
  if (!info[2].IsFunction()) bad_argument(env, "spawnSoon needs a callback");
  guarded(env, [&] {
    if (job->options.stage < 0) return;
    job->stage = Fd(::fcntl(job->options.stage, F_DUPFD_CLOEXEC, 0));
    if (!job->stage) fail("enter prepared mounts", "fcntl");
    job->options.stage = job->stage.get();
  });
  auto answer = Napi::ThreadSafeFunction::New(env, info[2].As<Napi::Function>(), "metactl.spawn", 0, 1);
  job->done = [answer](std::unique_ptr<QueuedSpawn> done) {
    QueuedSpawn* handed = done.release();
    // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): nobody else has it where it can't be handed on.
    if (answer.NonBlockingCall(handed, call_back) != napi_ok) delete handed;
    Napi::ThreadSafeFunction(answer).Release();
  };
  guarded(env, [&] {
    try {
      queue_spawn(std::move(job));
    } catch (const SysError&) {
      Napi::ThreadSafeFunction(answer).Release();
      throw;
    }
  });
}

}  // namespace

void register_spawn_queue(Napi::Env env, Napi::Object exports) {
  exports.Set("spawnSoon", Napi::Function::New(env, spawn_soon, "spawnSoon"));
}

}  // namespace metactl
