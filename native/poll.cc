#include "poll.h"

#include <unistd.h>
#include <uv.h>

#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "addon_support.h"
#include "binding_spawn.h"
#include "fd.h"
#include "process.h"

namespace metactl {

namespace {

/// PIPE_BUF: no record is larger.
constexpr size_t kMostBytes = 4096;

/// One watched descriptor. It frees itself once libuv has closed the handle; the descriptor stays the caller's.
class Poller {
 public:
  /// @param own a descriptor that goes with the poller, or none.
  Poller(Napi::Env env, Napi::Function callback, Fd own)
      : env_(env), own_(std::move(own)), callback_(Napi::Persistent(callback)), context_(env, "metactl.poll") {
    handle_.data = this;
  }

  int start(uv_loop_t* loop, int fd) {
    fd_ = fd;
    int status = uv_poll_init(loop, &handle_, fd);
    if (status != 0) {
      delete this;
      return status;
    }
    status = uv_poll_start(&handle_, kReading, on_ready);
    if (status != 0) {
      close();
      return status;
    }
    napi_add_env_cleanup_hook(env_, on_teardown, this);
    hooked_ = true;
    return 0;
  }

  void close() {
    if (closing_) return;
    closing_ = true;
    armed_.reset();
    if (hooked_) napi_remove_env_cleanup_hook(env_, on_teardown, this);
    callback_.Reset();
    uv_close(reinterpret_cast<uv_handle_t*>(&handle_), [](uv_handle_t* handle) {
      delete static_cast<Poller*>(handle->data);
    });
  }

  /// @param armed none: no longer.
  void arm(std::unique_ptr<Armed> armed) {
    if (!closing_) armed_ = std::move(armed);
  }

  void set_alive(bool alive) {
    auto* handle = reinterpret_cast<uv_handle_t*>(&handle_);
    if (!closing_) alive ? uv_ref(handle) : uv_unref(handle);
  }

  /// Calls back also while the descriptor can be written to.
  void set_writing(bool writing) {
    if (!closing_) uv_poll_start(&handle_, writing ? kReading | UV_WRITABLE : kReading, on_ready);
  }

 private:
  static constexpr int kReading = UV_READABLE | UV_DISCONNECT;

  static void on_ready(uv_poll_t* handle, int status, int) {
    auto* self = static_cast<Poller*>(handle->data);
    if (self->closing_) return;
    Napi::HandleScope scope(self->env_);
    Napi::Function callback = self->callback_.Value();
    std::vector<napi_value> arguments = {Napi::Number::New(self->env_, status)};
    if (self->armed_) self->respawn_first(arguments);
    // An exception of the callback becomes an uncaught exception; MakeCallback runs promise jobs before it returns.
    callback.MakeCallback(self->env_.Global(), arguments, self->context_);
  }

  /// Reads what there is, and begins the next run where that says that this one is over. Adds what was read and begun.
  void respawn_first(std::vector<napi_value>& arguments) {
    char bytes[kMostBytes];
    ssize_t size = ::read(fd_, bytes, sizeof bytes);
    // Nothing, the end or an error: the callback will find the same.
    if (size <= 0) return;
    arguments.push_back(Napi::Buffer<char>::Copy(env_, bytes, static_cast<size_t>(size)));
    if (size != sizeof(StatusRecord)) return;
    StatusRecord record;
    std::memcpy(&record, bytes, sizeof record);
    std::unique_ptr<Armed> armed = std::move(armed_);
    try {
      std::optional<Respawned> made = respawn(*armed, record);
      if (made) arguments.push_back(respawned_object(env_, *made));
    } catch (const SysError&) {
      // Whoever is called begins the run itself, and reports what is in the way.
    }
  }

  static void on_teardown(void* data) {
    auto* self = static_cast<Poller*>(data);
    self->hooked_ = false;
    self->close();
  }

  Napi::Env env_;
  Fd own_;
  Napi::FunctionReference callback_;
  Napi::AsyncContext context_;
  uv_poll_t handle_ = {};
  int fd_ = -1;
  std::unique_ptr<Armed> armed_;
  bool hooked_ = false;
  bool closing_ = false;
};

/// What JavaScript holds of a poller. A class, because functions of its own for each descriptor would be memory that a
/// supervisor of many daemons has not.
class PollHandle : public Napi::ObjectWrap<PollHandle> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Poll",
                       {InstanceMethod("arm", &PollHandle::arm), InstanceMethod("close", &PollHandle::close),
                        InstanceMethod("setAlive", &PollHandle::set_alive),
                        InstanceMethod("setWriting", &PollHandle::set_writing)});
  }

  explicit PollHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PollHandle>(info) {}

  void hold(Poller* poller) { poller_ = poller; }

 private:
  /// The pointer is dropped at the first call: the second one is harmless.
  void close(const Napi::CallbackInfo&) {
    if (poller_ != nullptr) poller_->close();
    poller_ = nullptr;
  }

  void set_alive(const Napi::CallbackInfo& info) {
    if (poller_ != nullptr) poller_->set_alive(info[0].ToBoolean());
  }

  void set_writing(const Napi::CallbackInfo& info) {
    if (poller_ != nullptr) poller_->set_writing(info[0].ToBoolean());
  }

  void arm(const Napi::CallbackInfo& info) {
    if (poller_ == nullptr) return;
    poller_->arm(info[0].IsUndefined() ? nullptr : decode_armed(info.Env(), object_arg(info, 0, "options")));
  }

  Poller* poller_ = nullptr;
};

}  // namespace

Napi::Value poll_fd(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = int_arg(info, 0, "fd");
  if (!info[1].IsFunction()) bad_argument(env, "poll needs a callback");
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) bad_argument(env, "there is no event loop");
  // A process without a pidfd (before Linux 5.4) is watched by a stand-in.
  Fd own = guarded(env, [&] { return is_process_directory(fd) ? process_end(fd) : Fd(); });
  int watched = own ? own.get() : fd;
  auto* poller = new Poller(env, info[1].As<Napi::Function>(), std::move(own));
  int status = poller->start(loop, watched);
  if (status != 0) throw make_error(env, SysError{"watch descriptor", "epoll_ctl", -status, std::to_string(fd)});

  Napi::FunctionReference& type = env.GetInstanceData<AddonData>()->poll_class;
  if (type.IsEmpty()) type = Napi::Persistent(PollHandle::define(env));
  Napi::Object result = type.New({});
  PollHandle::Unwrap(result)->hold(poller);
  return result;
}

}  // namespace metactl
