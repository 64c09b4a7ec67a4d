// A thread that lives for one job: setns and unshare change the thread that calls them, and Node's must never change.
#pragma once

#include <exception>
#include <thread>

namespace metactl {

/// Runs `body` on a fresh thread, waits for it, and hands its exception on.
template <typename Body>
void on_own_thread(Body body) {
  std::exception_ptr thrown;
  std::thread([&] {
    try {
      body();
    } catch (...) {
      thrown = std::current_exception();
    }
  }).join();
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace metactl
