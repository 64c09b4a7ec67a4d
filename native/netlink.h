// A small netlink client: one message built at a time, one answer awaited, its sequence number and errno checked.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "fd.h"

namespace metactl {

/// One message: a fixed header, then attributes.
class Request {
 public:
  /// NLM_F_REQUEST is added to `flags`.
  Request(uint16_t type, uint16_t flags);

  /// Appends the fixed part that follows nlmsghdr (ifinfomsg, rtmsg …).
  template <typename Header>
  void header(const Header& value) {
    append(&value, sizeof value);
  }

  void attribute(uint16_t type, const void* data, size_t size);
  void attribute(uint16_t type, uint32_t value) { attribute(type, &value, sizeof value); }
  /// With its terminating zero.
  void attribute(uint16_t type, const std::string& text) { attribute(type, text.c_str(), text.size() + 1); }

  /// A nested attribute lasts from `begin` to `end`, which takes what `begin` gave.
  size_t begin(uint16_t type);
  void end(size_t begun);

  nlmsghdr* message() { return reinterpret_cast<nlmsghdr*>(buffer_); }

 private:
  void append(const void* data, size_t size);

  alignas(nlmsghdr) unsigned char buffer_[1024] = {};
};

/// The answer to a request that asks for an object.
class Reply {
 public:
  /// Data of the attribute after a fixed part of `header_size` bytes; null where it isn't there. `size` gets its length.
  const void* attribute(size_t header_size, uint16_t type, size_t* size) const;
  template <typename Header>
  const Header* header() const {
    return sizeof(nlmsghdr) + sizeof(Header) <= length_ ? reinterpret_cast<const Header*>(buffer_ + sizeof(nlmsghdr)) : nullptr;
  }

 private:
  friend class Netlink;
  size_t length_ = 0;
  alignas(nlmsghdr) unsigned char buffer_[16384];
};

/// A socket of the calling thread's network namespace; it stays there for its life.
class Netlink {
 public:
  explicit Netlink(int protocol);

  /// Sends a request and waits for its acknowledgement. @returns 0 or the kernel's errno; `said` gets the kernel's words.
  int acknowledged(Request& request, std::string* said = nullptr);
  /// As `acknowledged`, and throws SysError unless the result is 0 or `harmless`.
  int talk(const char* step, const std::string& about, Request& request, int harmless = 0);
  /// Sends a request that is answered by one object. @returns 0 or the kernel's errno.
  int ask(Request& request, Reply& reply);
  /// Sends finished messages as they are. @returns the kernel's answers one behind the other; it gives them within the
  /// send, and the rest of a long list within each receive, so nothing is waited for.
  std::vector<unsigned char> exchange(const void* messages, size_t size);

 private:
  void send(Request& request);
  void send(const void* messages, size_t size);
  /// Receives into `reply` until a message with our sequence number is there.
  void receive(Reply& reply);

  Fd socket_;
  uint32_t sequence_ = 0;
};

}  // namespace metactl
