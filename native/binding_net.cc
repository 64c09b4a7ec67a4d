// N-API face of netns.h.
#include "addon_support.h"
#include "netns.h"

namespace metactl {

namespace {

/// makeNetns(path) → fd
Napi::Value make(const Napi::CallbackInfo& info) {
  std::string path = string_arg(info, 0, "path");
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), make_netns(path).release()); });
}

/// socketInNetns(netns, domain, type, protocol) → fd
Napi::Value make_socket(const Napi::CallbackInfo& info) {
  int netns = int_arg(info, 0, "netns");
  int domain = int_arg(info, 1, "domain");
  int type = int_arg(info, 2, "type");
  int protocol = int_arg(info, 3, "protocol");
  return guarded(info.Env(), [&] {
    return Napi::Number::New(info.Env(), socket_in_netns(netns, domain, type, protocol).release());
  });
}

}  // namespace

void register_net(Napi::Env env, Napi::Object exports) {
  exports.Set("makeNetns", Napi::Function::New(env, make, "makeNetns"));
  exports.Set("socketInNetns", Napi::Function::New(env, make_socket, "socketInNetns"));
}

}  // namespace metactl
