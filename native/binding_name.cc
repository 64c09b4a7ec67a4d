// N-API face of name.h.
#include <memory>
#include <string>
#include <utility>

#include "addon_support.h"
#include "detached_thread.h"
#include "name.h"

namespace metactl {

namespace {

/// One look-up. It belongs to its thread, and then to the call of its callback.
struct Lookup {
  std::string name;
  Napi::ThreadSafeFunction answer;
  Resolved resolved;
};

void call_back(Napi::Env env, Napi::Function callback, Lookup* done) {
  std::unique_ptr<Lookup> lookup(done);
  // Undefined where the environment is ending.
  if (static_cast<napi_env>(env) == nullptr) return;
  const auto& [error, system_error, texts] = lookup->resolved;
  try {
    Napi::Array addresses = Napi::Array::New(env);
    for (const std::string& text : texts) addresses.Set(addresses.Length(), text);
    callback.Call({Napi::Number::New(env, error), Napi::Number::New(env, system_error), addresses});
  } catch (const Napi::Error&) {
    // A process that ends runs no more JavaScript, though its environment is still there. Nobody waits for the answer then,
    // and an exception from here would abort it. Ours only resolves a promise: it throws nothing.
  }
}

void* look_up(void* argument) {
  auto* lookup = static_cast<Lookup*>(argument);
  lookup->resolved = resolve_name(lookup->name);
  Napi::ThreadSafeFunction answer = lookup->answer;
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): nobody else has it where it can't be handed on.
  if (answer.NonBlockingCall(lookup, call_back) != napi_ok) delete lookup;
  answer.Release();
  return nullptr;
}

/// lookUp(name, (error, errno, addresses) => …): in a thread of its own. It does not keep the process running.
void look_up_name(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::string name = string_arg(info, 0, "name");
  if (!info[1].IsFunction()) bad_argument(env, "lookUp needs a callback");
  auto answer = Napi::ThreadSafeFunction::New(env, info[1].As<Napi::Function>(), "metactl.lookUp", 0, 1);
  answer.Unref(env);
  auto lookup = std::make_unique<Lookup>(Lookup{std::move(name), answer, {}});
  int error = start_detached_thread(look_up, lookup.get());
  if (error == 0) {
    static_cast<void>(lookup.release());
    return;
  }
  answer.Release();
  guarded(env, [&] { fail("start a thread", "pthread_create", {}, error); });
}

}  // namespace

void register_name(Napi::Env env, Napi::Object exports) {
  exports.Set("lookUp", Napi::Function::New(env, look_up_name, "lookUp"));
}

}  // namespace metactl
