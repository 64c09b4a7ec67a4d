// N-API face of frame.h and datagram.h.
#include <string>
#include <utility>
#include <vector>

#include "addon_support.h"
#include "datagram.h"
#include "frame.h"

namespace metactl {

namespace {

Napi::Uint8Array bytes_arg(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsTypedArray() || info[index].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    bad_argument(info.Env(), std::string(name) + " must be bytes");
  }
  return info[index].As<Napi::Uint8Array>();
}

Slice slice_of(const Napi::Uint8Array& bytes) { return {bytes.Data(), bytes.ByteLength()}; }

/// frameLines(input, output, at, head, mark, longest, last, result): `result` gets consumed and written
void frame(const Napi::CallbackInfo& info) {
  Napi::Uint8Array input = bytes_arg(info, 0, "input");
  Napi::Uint8Array output = bytes_arg(info, 1, "output");
  auto at = static_cast<size_t>(int_arg(info, 2, "at"));
  Napi::Uint8Array text = bytes_arg(info, 3, "head");
  LineHead head = {text.Data(), text.ByteLength(), static_cast<size_t>(int_arg(info, 4, "mark"))};
  auto longest = static_cast<size_t>(int_arg(info, 5, "longest"));
  auto last = static_cast<uint8_t>(int_arg(info, 6, "last"));
  if (!info[7].IsTypedArray() || info[7].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array ||
      info[7].As<Napi::TypedArray>().ElementLength() < 2) {
    bad_argument(info.Env(), "result must be two numbers");
  }
  if (at > output.ByteLength() || head.mark >= head.size || longest == 0) {
    bad_argument(info.Env(), "frameLines: a number is out of range");
  }
  Framed framed = frame_lines(input.Data(), input.ByteLength(), output.Data() + at, output.ByteLength() - at, head, longest, last);
  auto result = info[7].As<Napi::Float64Array>();
  result[0] = static_cast<double>(framed.consumed);
  result[1] = static_cast<double>(framed.written);
}

/// connectDatagram(path) → fd
Napi::Value connect_to(const Napi::CallbackInfo& info) {
  std::string path = string_arg(info, 0, "path");
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), connect_datagram(path).release()); });
}

/// Sends in libuv's pool: a log daemon that is slow must not hold the supervisor. The buffers live until it is done.
class Sender : public Napi::AsyncWorker {
 public:
  Sender(Napi::Function callback, int fd, const Envelope& envelope, Slice lines)
      : Napi::AsyncWorker(callback, "metactl.sendLines"), fd_(fd), envelope_(envelope), lines_(lines) {}

 protected:
  void Execute() override { sent_ = send_lines(fd_, envelope_, lines_); }

  std::vector<napi_value> GetResult(Napi::Env env) override {
    return {Napi::Number::New(env, static_cast<double>(sent_.done)), Napi::Number::New(env, sent_.error)};
  }

 private:
  int fd_;
  Envelope envelope_;
  Slice lines_;
  Sent sent_ = {0, 0};
};

/// sendLines(fd, { head, continued, unended, tail, memfd }, lines, (done, errno) => …)
void send(const Napi::CallbackInfo& info) {
  int fd = int_arg(info, 0, "fd");
  Napi::Object object = object_arg(info, 1, "envelope");
  Napi::Uint8Array lines = bytes_arg(info, 2, "lines");
  if (!info[3].IsFunction()) bad_argument(info.Env(), "sendLines needs a callback");
  Envelope envelope = {};
  const std::pair<const char*, Slice*> fields[] = {{"head", &envelope.head},
                                                   {"continued", &envelope.continued},
                                                   {"unended", &envelope.unended},
                                                   {"tail", &envelope.tail}};
  for (const auto& [name, slice] : fields) {
    Napi::Value value = object.Get(name);
    if (!value.IsBuffer()) bad_argument(info.Env(), std::string(name) + " must be bytes");
    *slice = slice_of(value.As<Napi::Uint8Array>());
  }
  envelope.by_memfd = object.Get("memfd").ToBoolean();
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): it deletes itself when it is done.
  auto* sender = new Sender(info[3].As<Napi::Function>(), fd, envelope, slice_of(lines));
  sender->Receiver().Set("envelope", object);
  sender->Receiver().Set("lines", lines);
  sender->Queue();
}

}  // namespace

void register_log(Napi::Env env, Napi::Object exports) {
  exports.Set("frameLines", Napi::Function::New(env, frame, "frameLines"));
  exports.Set("connectDatagram", Napi::Function::New(env, connect_to, "connectDatagram"));
  exports.Set("sendLines", Napi::Function::New(env, send, "sendLines"));
}

}  // namespace metactl
