import type { LogHost } from '../../src/host/log-host.ts';

/** What native/frame.cc does, by other means: for tests without the addon, and to compare it with. */
export const frameLines: LogHost['frame'] = (input, output, at, head, longest, last) => {
  let consumed = 0;
  let written = 0;
  while (consumed < input.length) {
    const rest = Buffer.from(input.subarray(consumed));
    const end = rest.indexOf(10);
    const whole = end < 0 ? rest.length : end;
    let size = whole;
    let mark = end < 0 ? last : 0x3a;
    if (whole > longest) {
      size = longest;
      for (let back = 0; back < 4 && back + 1 < longest; back++) {
        if ((rest[longest - back]! & 0xc0) === 0x80) continue;
        size = longest - back;
        break;
      }
      mark = 0x2b;
    }
    const line = Buffer.concat([head.bytes, rest.subarray(0, size), Buffer.from('\n')]);
    line[head.mark] = mark;
    if (line.length > output.length - at - written) break;
    output.set(line, at + written);
    written += line.length;
    consumed += size + (whole > longest || end < 0 ? 0 : 1);
  }
  return { consumed, written };
};
