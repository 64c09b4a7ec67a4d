// What every binding_*.cc shares: decoding of arguments, and errors of the class that TypeScript handed in.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "sys_error.h"

namespace metactl {

/// Per-environment state: the MetactlError class, and that of what `poll` gives.
struct AddonData {
  Napi::FunctionReference error_class;
  Napi::FunctionReference poll_class;
};

/// @returns a MetactlError with code (errno name), errno, syscall, step and path.
Napi::Error make_error(Napi::Env env, const SysError& error);

/// Throws METACTL_BAD_ARGUMENT: a bug of the calling TypeScript, so no hint.
[[noreturn]] void bad_argument(Napi::Env env, const std::string& what);

int32_t int_arg(const Napi::CallbackInfo& info, size_t index, const char* name);
std::string string_arg(const Napi::CallbackInfo& info, size_t index, const char* name);
Napi::Object object_arg(const Napi::CallbackInfo& info, size_t index, const char* name);
Napi::Array array_arg(const Napi::CallbackInfo& info, size_t index, const char* name);
/// An array of texts without a NUL.
std::vector<std::string> words_arg(const Napi::CallbackInfo& info, size_t index, const char* name);

/// A whole number in [min, max] from an object; `fallback` where the property is undefined.
int64_t int_field(const Napi::Object& object, const char* name, int64_t min, int64_t max);
int64_t int_field(const Napi::Object& object, const char* name, int64_t min, int64_t max, int64_t fallback);

/// Runs `body` and turns SysError into a MetactlError.
template <typename Body>
auto guarded(Napi::Env env, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const SysError& error) {
    throw make_error(env, error);
  }
}

void register_file(Napi::Env env, Napi::Object exports);
void register_log(Napi::Env env, Napi::Object exports);
void register_probe(Napi::Env env, Napi::Object exports);
void register_process(Napi::Env env, Napi::Object exports);
void register_name(Napi::Env env, Napi::Object exports);
void register_net(Napi::Env env, Napi::Object exports);
void register_notify(Napi::Env env, Napi::Object exports);
void register_respawn(Napi::Env env, Napi::Object exports);
void register_spawn(Napi::Env env, Napi::Object exports);
void register_spawn_queue(Napi::Env env, Napi::Object exports);

}  // namespace metactl
