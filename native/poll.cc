#include "poll.h"

#include <uv.h>

#include <cstring>
#include <utility>

#include "addon_support.h"
#include "fd.h"
#include "process.h"

namespace metactl {

namespace {

/// One watched descriptor. It frees itself once libuv has closed the handle; the descriptor stays the caller's.
class Poller {
 public:
  /// @param own a descriptor that goes with the poller, or none.
  Poller(Napi::Env env, Napi::Function callback, Fd own)
      : env_(env), own_(std::move(own)), callback_(Napi::Persistent(callback)), context_(env, "metactl.poll") {
    handle_.data = this;
  }

  int start(uv_loop_t* loop, int fd) {
    int status = uv_poll_init(loop, &handle_, fd);
    if (status != 0) {
      delete this;
      return status;
    }
    status = uv_poll_start(&handle_, UV_READABLE | UV_DISCONNECT, on_ready);
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
    if (hooked_) napi_remove_env_cleanup_hook(env_, on_teardown, this);
    callback_.Reset();
    uv_close(reinterpret_cast<uv_handle_t*>(&handle_), [](uv_handle_t* handle) {
      delete static_cast<Poller*>(handle->data);
    });
  }

  void set_alive(bool alive) {
    auto* handle = reinterpret_cast<uv_handle_t*>(&handle_);
    if (!closing_) alive ? uv_ref(handle) : uv_unref(handle);
  }

 private:
  static void on_ready(uv_poll_t* handle, int status, int) {
    auto* self = static_cast<Poller*>(handle->data);
    if (self->closing_) return;
    Napi::HandleScope scope(self->env_);
    Napi::Function callback = self->callback_.Value();
    // An exception of the callback becomes an uncaught exception; MakeCallback runs promise jobs before it returns.
    callback.MakeCallback(self->env_.Global(), {Napi::Number::New(self->env_, status)}, self->context_);
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
  bool hooked_ = false;
  bool closing_ = false;
};

/// Keeps `close()` harmless when it is called twice: the pointer is dropped at the first.
struct Handle {
  Poller* poller;
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

  auto handle = std::make_shared<Handle>(Handle{poller});
  Napi::Object result = Napi::Object::New(env);
  auto close = [handle](const Napi::CallbackInfo&) {
    if (handle->poller != nullptr) handle->poller->close();
    handle->poller = nullptr;
  };
  auto alive = [handle](const Napi::CallbackInfo& call) {
    if (handle->poller != nullptr) handle->poller->set_alive(call[0].ToBoolean());
  };
  result.Set("close", Napi::Function::New(env, close, "close"));
  result.Set("setAlive", Napi::Function::New(env, alive, "setAlive"));
  return result;
}

}  // namespace metactl
