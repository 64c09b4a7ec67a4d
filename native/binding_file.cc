// N-API face of file.h.
#include <sys/file.h>

#include <cstring>

#include "addon_support.h"
#include "file.h"

namespace metactl {

namespace {

uint16_t cells(const Napi::CallbackInfo& info, size_t index, const char* name) {
  int32_t value = int_arg(info, index, name);
  if (value < 0 || value > UINT16_MAX) bad_argument(info.Env(), std::string(name) + " is out of range");
  return static_cast<uint16_t>(value);
}

/// readText(path) → string | null
Napi::Value read_text_at(const Napi::CallbackInfo& info) {
  std::string path = string_arg(info, 0, "path");
  return guarded(info.Env(), [&]() -> Napi::Value {
    std::string text;
    if (!read_text(path, &text)) return info.Env().Null();
    return Napi::String::New(info.Env(), text);
  });
}

/// readNumbers(path + '\0' + path + '\0' …) → numbers
Napi::Value read_numbers_at(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) bad_argument(info.Env(), "paths must be a string");
  std::string paths = info[0].As<Napi::String>();
  Napi::Array numbers = Napi::Array::New(info.Env());
  uint32_t count = 0;
  for (size_t end = 0, at = 0; (end = paths.find('\0', at)) != std::string::npos; at = end + 1) {
    numbers.Set(count++, Napi::Number::New(info.Env(), read_number(paths.c_str() + at)));
  }
  return numbers;
}

/// flock(fd, 'shared' | 'exclusive' | 'unlock') → boolean
Napi::Value flock_fd(const Napi::CallbackInfo& info) {
  int fd = int_arg(info, 0, "fd");
  std::string how = string_arg(info, 1, "operation");
  int operation = how == "shared" ? LOCK_SH : how == "exclusive" ? LOCK_EX : how == "unlock" ? LOCK_UN : -1;
  if (operation < 0) bad_argument(info.Env(), "flock: unknown operation");
  return guarded(info.Env(), [&] { return Napi::Boolean::New(info.Env(), try_flock(fd, operation)); });
}

/// mountTmpfs(path, {size, inodes?, mode, uid?, gid?})
void mount_tmpfs_at(const Napi::CallbackInfo& info) {
  std::string path = string_arg(info, 0, "path");
  Napi::Object object = object_arg(info, 1, "options");
  TmpfsOptions options = {};
  options.size = int_field(object, "size", 1, INT64_C(1) << 50);
  options.inodes = int_field(object, "inodes", 0, INT64_C(1) << 40, 0);
  options.mode = static_cast<uint32_t>(int_field(object, "mode", 0, 07777));
  options.uid = static_cast<uint32_t>(int_field(object, "uid", 0, UINT32_MAX - 1, 0));
  options.gid = static_cast<uint32_t>(int_field(object, "gid", 0, UINT32_MAX - 1, 0));
  guarded(info.Env(), [&] { mount_tmpfs(path, options); });
}

/// pinNamespace(fd, path)
void pin_namespace_at(const Napi::CallbackInfo& info) {
  int ns = int_arg(info, 0, "fd");
  std::string path = string_arg(info, 1, "path");
  guarded(info.Env(), [&] { pin_namespace(ns, path); });
}

/// unmount(path) → number of mounts taken away
Napi::Value unmount_path(const Napi::CallbackInfo& info) {
  std::string path = string_arg(info, 0, "path");
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), unmount_all(path)); });
}

/// openPty(rows, columns, ptmx?) → {master, slave}; `ptmx` becomes the master
Napi::Value open_terminal(const Napi::CallbackInfo& info) {
  uint16_t rows = cells(info, 0, "rows");
  uint16_t columns = cells(info, 1, "columns");
  Fd ptmx(info[2].IsUndefined() ? -1 : int_arg(info, 2, "ptmx"));
  return guarded(info.Env(), [&] {
    Pty pty = open_pty(rows, columns, static_cast<Fd&&>(ptmx));
    Napi::Object result = Napi::Object::New(info.Env());
    result.Set("master", Napi::Number::New(info.Env(), pty.master.release()));
    result.Set("slave", Napi::Number::New(info.Env(), pty.slave.release()));
    return result;
  });
}

/// setWindowSize(fd, rows, columns)
void resize_terminal(const Napi::CallbackInfo& info) {
  int fd = int_arg(info, 0, "fd");
  uint16_t rows = cells(info, 1, "rows");
  uint16_t columns = cells(info, 2, "columns");
  guarded(info.Env(), [&] { set_window_size(fd, rows, columns); });
}

/// makeRaw(fd) → Buffer, for restoreTerminal
Napi::Value make_terminal_raw(const Napi::CallbackInfo& info) {
  int fd = int_arg(info, 0, "fd");
  return guarded(info.Env(), [&] {
    struct termios before = make_raw(fd);
    return Napi::Buffer<char>::Copy(info.Env(), reinterpret_cast<const char*>(&before), sizeof before);
  });
}

/// restoreTerminal(fd, before)
void set_terminal_back(const Napi::CallbackInfo& info) {
  int fd = int_arg(info, 0, "fd");
  struct termios before = {};
  if (!info[1].IsBuffer() || info[1].As<Napi::Buffer<char>>().Length() != sizeof before) {
    bad_argument(info.Env(), "before must come from makeRaw");
  }
  std::memcpy(&before, info[1].As<Napi::Buffer<char>>().Data(), sizeof before);
  guarded(info.Env(), [&] { restore_terminal(fd, before); });
}

}  // namespace

void register_file(Napi::Env env, Napi::Object exports) {
  exports.Set("readText", Napi::Function::New(env, read_text_at, "readText"));
  exports.Set("readNumbers", Napi::Function::New(env, read_numbers_at, "readNumbers"));
  exports.Set("flock", Napi::Function::New(env, flock_fd, "flock"));
  exports.Set("mountTmpfs", Napi::Function::New(env, mount_tmpfs_at, "mountTmpfs"));
  exports.Set("pinNamespace", Napi::Function::New(env, pin_namespace_at, "pinNamespace"));
  exports.Set("unmount", Napi::Function::New(env, unmount_path, "unmount"));
  exports.Set("openPty", Napi::Function::New(env, open_terminal, "openPty"));
  exports.Set("setWindowSize", Napi::Function::New(env, resize_terminal, "setWindowSize"));
  exports.Set("makeRaw", Napi::Function::New(env, make_terminal_raw, "makeRaw"));
  exports.Set("restoreTerminal", Napi::Function::New(env, set_terminal_back, "restoreTerminal"));
}

}  // namespace metactl
