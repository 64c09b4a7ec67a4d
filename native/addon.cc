// Registration only: every function lives in its binding_*.cc.
#include <napi.h>

#include "addon_support.h"
#include "memory.h"

namespace metactl {

namespace {

/// initialize(MetactlError): the class that every failure of this addon is thrown as.
void initialize(const Napi::CallbackInfo& info) {
  if (!info[0].IsFunction()) bad_argument(info.Env(), "initialize needs the error class");
  info.Env().GetInstanceData<AddonData>()->error_class = Napi::Persistent(info[0].As<Napi::Function>());
}

}  // namespace

Napi::Object init(Napi::Env env, Napi::Object exports) {
  share_arenas();
  env.SetInstanceData(new AddonData());
  exports.Set("initialize", Napi::Function::New(env, initialize, "initialize"));
  register_file(env, exports);
  register_log(env, exports);
  register_probe(env, exports);
  register_process(env, exports);
  register_name(env, exports);
  register_net(env, exports);
  register_notify(env, exports);
  register_respawn(env, exports);
  register_spawn(env, exports);
  register_spawn_queue(env, exports);
  return exports;
}

}  // namespace metactl

static Napi::Object InitAddon(Napi::Env env, Napi::Object exports) { return metactl::init(env, exports); }

NODE_API_MODULE(metactl, InitAddon)
