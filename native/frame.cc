#include "frame.h"

#include <cstring>

namespace metactl {

namespace {

/// Length of a piece of at most `longest` bytes that does not end within a UTF-8 character, where that is UTF-8 at all.
size_t piece_of(const uint8_t* line, size_t longest) {
  // A character has up to three continuation bytes (10xxxxxx).
  for (size_t back = 0; back < 4 && back + 1 < longest; back++) {
    if ((line[longest - back] & 0xc0) != 0x80) return longest - back;
  }
  return longest;
}

}  // namespace

Framed frame_lines(const uint8_t* input, size_t length, uint8_t* output, size_t room, const LineHead& head, size_t longest,
                   uint8_t last) {
  Framed result = {0, 0};
  while (result.consumed < length) {
    const uint8_t* line = input + result.consumed;
    size_t left = length - result.consumed;
    size_t seen = left <= longest ? left : longest + 1;
    const auto* end = static_cast<const uint8_t*>(std::memchr(line, '\n', seen));
    size_t size = 0;
    uint8_t mark = ':';
    if (end != nullptr) {
      size = static_cast<size_t>(end - line);
    } else if (left > longest) {
      size = piece_of(line, longest);
      mark = '+';
    } else {
      size = left;
      mark = last;
    }
    if (head.size + size + 1 > room - result.written) break;
    uint8_t* at = output + result.written;
    std::memcpy(at, head.text, head.size);
    at[head.mark] = mark;
    std::memcpy(at + head.size, line, size);
    at[head.size + size] = '\n';
    result.written += head.size + size + 1;
    result.consumed += size + (end != nullptr ? 1 : 0);
  }
  return result;
}

}  // namespace metactl
