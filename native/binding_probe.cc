// N-API face of probe.h, iptables.h and exec_netns.h.
#include <string>
#include <vector>

#include "addon_support.h"
#include "exec_netns.h"
#include "iptables.h"
#include "probe.h"

namespace metactl {

namespace {

std::vector<unsigned char> bytes_of(Napi::Env env, Napi::Value value) {
  if (!value.IsTypedArray()) bad_argument(env, "a batch must be a Uint8Array");
  auto array = value.As<Napi::TypedArray>();
  const auto* first = static_cast<const unsigned char*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  return {first, first + array.ByteLength()};
}

/// probeKernel() → { [probe]: errno }
Napi::Value kernel(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  for (const auto& [name, error] : probe_kernel()) result.Set(name, error);
  return result;
}

/// probeNetwork(kinds, batches) → { error, links, answers }
Napi::Value network(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::vector<std::string> kinds;
  Napi::Array names = array_arg(info, 0, "kinds");
  for (uint32_t at = 0; at < names.Length(); at++) kinds.push_back(names.Get(at).ToString().Utf8Value());
  std::vector<std::vector<unsigned char>> batches;
  Napi::Array messages = array_arg(info, 1, "batches");
  for (uint32_t at = 0; at < messages.Length(); at++) batches.push_back(bytes_of(env, messages.Get(at)));
  return guarded(env, [&] {
    NetworkProbe probe = probe_network(kinds, batches);
    Napi::Array links = Napi::Array::New(env);
    for (int error : probe.links) links.Set(links.Length(), error);
    Napi::Array answers = Napi::Array::New(env);
    for (const auto& answer : probe.answers) {
      answers.Set(answers.Length(), Napi::Buffer<unsigned char>::Copy(env, answer.data(), answer.size()));
    }
    Napi::Object result = Napi::Object::New(env);
    result.Set("error", probe.error);
    result.Set("links", links);
    result.Set("answers", answers);
    return result;
  });
}

/// readIptables(table) → { forward, entries } | undefined
Napi::Value iptables(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::string name = string_arg(info, 0, "table");
  bool ipv6 = info[1].ToBoolean();
  return guarded(env, [&]() -> Napi::Value {
    IptablesTable table = {};
    if (!read_iptables(name, ipv6, table)) return env.Undefined();
    Napi::Object result = Napi::Object::New(env);
    result.Set("forward", table.forward);
    result.Set("entries", Napi::Buffer<unsigned char>::Copy(env, table.entries.data(), table.entries.size()));
    return result;
  });
}

/// probeIdmaps(paths) → errnos
Napi::Value idmaps(const Napi::CallbackInfo& info) {
  std::vector<std::string> paths = words_arg(info, 0, "paths");
  return guarded(info.Env(), [&] {
    Napi::Array results = Napi::Array::New(info.Env());
    for (int error : probe_idmaps(paths)) results.Set(results.Length(), error);
    return results;
  });
}

/// execInNetns(netns, file, argv, environment): does not return
void exec_inside(const Napi::CallbackInfo& info) {
  int netns = int_arg(info, 0, "netns");
  std::string file = string_arg(info, 1, "file");
  std::vector<std::string> argv = words_arg(info, 2, "argv");
  std::vector<std::string> environment = words_arg(info, 3, "environment");
  guarded(info.Env(), [&] { exec_in_netns(netns, file, argv, environment); });
}

/// clockState() → { synchronised, maxError }
Napi::Value clock(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    ClockState state = clock_state();
    Napi::Object result = Napi::Object::New(info.Env());
    result.Set("synchronised", state.synchronised);
    result.Set("maxError", static_cast<double>(state.max_error));
    return result;
  });
}

}  // namespace

void register_probe(Napi::Env env, Napi::Object exports) {
  exports.Set("probeKernel", Napi::Function::New(env, kernel, "probeKernel"));
  exports.Set("probeNetwork", Napi::Function::New(env, network, "probeNetwork"));
  exports.Set("readIptables", Napi::Function::New(env, iptables, "readIptables"));
  exports.Set("execInNetns", Napi::Function::New(env, exec_inside, "execInNetns"));
  exports.Set("probeIdmaps", Napi::Function::New(env, idmaps, "probeIdmaps"));
  exports.Set("clockState", Napi::Function::New(env, clock, "clockState"));
}

}  // namespace metactl
