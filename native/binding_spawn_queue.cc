// N-API face of spawn_queue.h.
#include <fcntl.h>

#include <memory>
#include <utility>

#include "addon_support.h"
#include "binding_spawn.h"
#include "spawn_queue.h"

namespace metactl {

namespace {

void call_back(Napi::Env env, Napi::Function callback, QueuedSpawn* done) {
  std::unique_ptr<QueuedSpawn> job(done);
  // Undefined where the environment is ending. What runs ends with this process, by its liveness pipe.
  if (static_cast<napi_env>(env) == nullptr) return;
  try {
    if (job->error != nullptr) callback.Call({make_error(env, *job->error).Value()});
    else callback.Call({env.Null(), spawned_object(env, *job->made)});
  } catch (const Napi::Error&) {
    // A process that ends runs no more JavaScript, though its environment is still there.
  }
}

/// spawnSoon(options, (error, spawned) => …)
void spawn_soon(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto job = std::make_unique<QueuedSpawn>();
  job->options = decode_spawn(env, object_arg(info, 0, "options"));
  if (!info[1].IsFunction()) bad_argument(env, "spawnSoon needs a callback");
  guarded(env, [&] {
    if (job->options.stage < 0) return;
    job->stage = Fd(::fcntl(job->options.stage, F_DUPFD_CLOEXEC, 0));
    if (!job->stage) fail("enter prepared mounts", "fcntl");
    job->options.stage = job->stage.get();
  });
  auto answer = Napi::ThreadSafeFunction::New(env, info[1].As<Napi::Function>(), "metactl.spawn", 0, 1);
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
