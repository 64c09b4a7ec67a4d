#include "addon_support.h"

#include <uv.h>

#include <cmath>
#include <cstring>

namespace metactl {

namespace {

Napi::Error construct(Napi::Env env, const std::string& message, Napi::Object fields) {
  auto* data = env.GetInstanceData<AddonData>();
  if (data == nullptr || data->error_class.IsEmpty()) return Napi::Error::New(env, message);
  Napi::Object made = data->error_class.New({Napi::String::New(env, message), fields});
  return Napi::Error(env, made);
}

}  // namespace

Napi::Error make_error(Napi::Env env, const SysError& error) {
  Napi::Object fields = Napi::Object::New(env);
  fields.Set("code", Napi::String::New(env, uv_err_name(-error.error)));
  fields.Set("errno", Napi::Number::New(env, error.error));
  fields.Set("syscall", Napi::String::New(env, error.call));
  fields.Set("step", Napi::String::New(env, error.step));
  if (!error.path.empty()) fields.Set("path", Napi::String::New(env, error.path));
  std::string message = error.step + (error.path.empty() ? "" : " `" + error.path + "`") + ": " +
                        uv_strerror(-error.error) + " (" + error.call + ")";
  return construct(env, message, fields);
}

void bad_argument(Napi::Env env, const std::string& what) {
  Napi::Object fields = Napi::Object::New(env);
  fields.Set("code", Napi::String::New(env, "METACTL_BAD_ARGUMENT"));
  throw construct(env, "native part: " + what, fields);
}

namespace {

int64_t whole_number(Napi::Env env, Napi::Value value, const char* name, int64_t min, int64_t max) {
  if (value.IsNumber()) {
    double number = value.As<Napi::Number>().DoubleValue();
    if (std::trunc(number) == number && number >= static_cast<double>(min) && number <= static_cast<double>(max)) {
      return static_cast<int64_t>(number);
    }
  }
  bad_argument(env, std::string(name) + " must be a whole number from " + std::to_string(min) + " to " +
                        std::to_string(max));
}

}  // namespace

int32_t int_arg(const Napi::CallbackInfo& info, size_t index, const char* name) {
  return static_cast<int32_t>(whole_number(info.Env(), info[index], name, INT32_MIN, INT32_MAX));
}

std::string string_arg(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsString()) bad_argument(info.Env(), std::string(name) + " must be a string");
  std::string text = info[index].As<Napi::String>().Utf8Value();
  if (text.empty() || text.find('\0') != std::string::npos) {
    bad_argument(info.Env(), std::string(name) + " must not be empty or hold a NUL");
  }
  return text;
}

Napi::Object object_arg(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsObject()) bad_argument(info.Env(), std::string(name) + " must be an object");
  return info[index].As<Napi::Object>();
}

Napi::Array array_arg(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsArray()) bad_argument(info.Env(), std::string(name) + " must be an array");
  return info[index].As<Napi::Array>();
}

std::vector<std::string> words_arg(const Napi::CallbackInfo& info, size_t index, const char* name) {
  Napi::Array array = array_arg(info, index, name);
  std::vector<std::string> words;
  for (uint32_t at = 0; at < array.Length(); at++) {
    words.push_back(array.Get(at).ToString().Utf8Value());
    if (words.back().find('\0') != std::string::npos) bad_argument(info.Env(), std::string(name) + " must not hold a NUL");
  }
  return words;
}

int64_t int_field(const Napi::Object& object, const char* name, int64_t min, int64_t max) {
  return whole_number(object.Env(), object.Get(name), name, min, max);
}

int64_t int_field(const Napi::Object& object, const char* name, int64_t min, int64_t max, int64_t fallback) {
  Napi::Value value = object.Get(name);
  return value.IsUndefined() ? fallback : whole_number(object.Env(), value, name, min, max);
}

}  // namespace metactl
