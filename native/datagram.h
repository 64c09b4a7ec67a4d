// Lines to a log daemon's socket: journald's own protocol, and syslog's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "fd.h"

namespace metactl {

/// A datagram socket that is connected to the one at `path`, or with the abstract name `@…`. Its sends wait, but not longer than 200 ms.
Fd connect_datagram(const std::string& path);

struct Slice {
  const uint8_t* data;
  size_t size;
};

/// What goes before and after each line.
struct Envelope {
  Slice head;
  /// In place of `head` for a line that goes on in the next one (frame.h).
  Slice continued;
  /// And for one that was never ended.
  Slice unended;
  Slice tail;
  /// journald takes what is too large for a datagram as a sealed memfd.
  bool by_memfd;
};

struct Sent {
  /// Bytes of `lines` that were sent, whole lines.
  size_t done;
  /// Why it ended before its end, or 0.
  int error;
};

/// Sends each line of `lines` as one datagram. A line is a mark (frame.h), its text, and a line feed.
Sent send_lines(int fd, const Envelope& envelope, Slice lines);

}  // namespace metactl
