// Puts a head before each line of a daemon's output. A million lines a second pass here, so it is not TypeScript.
#pragma once

#include <cstddef>
#include <cstdint>

namespace metactl {

/// What each line gets in front, e.g. `2026-11-26T16:25:01.123Z 4711 out: `; the byte at `mark` says how the line ends:
/// `:` as the daemon ended it, `+` it goes on in the next one, `~` it was never ended.
struct LineHead {
  const uint8_t* text;
  size_t size;
  size_t mark;
};

struct Framed {
  /// Bytes of the input that are done; less than all where the next line had no room.
  size_t consumed;
  size_t written;
};

/// Copies lines, those over `longest` bytes in pieces (not within a UTF-8 character). `last` marks the input's unfinished
/// line, if it has one.
Framed frame_lines(const uint8_t* input, size_t length, uint8_t* output, size_t room, const LineHead& head, size_t longest,
                   uint8_t last);

}  // namespace metactl
