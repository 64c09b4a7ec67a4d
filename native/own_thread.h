// A thread that lives for one job: setns and unshare change the thread that calls them, and Node's must never change.
#pragma once

#include <exception>
#include <system_error>
#include <thread>
#include <utility>

#include "sys_error.h"

namespace metactl {

/// A job on a fresh thread, beside which the caller may go on.
class OwnThread {
 public:
  template <typename Body>
  explicit OwnThread(Body body) {
    try {
      thread_ = std::thread([this, body = std::move(body)] {
        try {
          body();
        } catch (...) {
          thrown_ = std::current_exception();
        }
      });
    } catch (const std::system_error& error) {
      fail("start a thread", "pthread_create", {}, error.code().value());
    }
  }
  OwnThread(const OwnThread&) = delete;
  OwnThread& operator=(const OwnThread&) = delete;
  ~OwnThread() {
    if (thread_.joinable()) thread_.join();
  }

  /// Waits for the end of the job and hands its exception on. Once.
  void finish() {
    if (!thread_.joinable()) fail("wait for a thread", "pthread_join", {}, EINVAL);
    thread_.join();
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  std::exception_ptr thrown_;
  std::thread thread_;
};

/// Runs `body` on a fresh thread, waits for it, and hands its exception on.
template <typename Body>
void on_own_thread(Body body) {
  OwnThread(std::move(body)).finish();
}

}  // namespace metactl
