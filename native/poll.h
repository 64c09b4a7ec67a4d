// poll(fd, callback) → {close(), setAlive(), setWriting(), arm()}: readability of a descriptor in Node's event loop.
#pragma once

#include <napi.h>

namespace metactl {

Napi::Value poll_fd(const Napi::CallbackInfo& info);

}  // namespace metactl
