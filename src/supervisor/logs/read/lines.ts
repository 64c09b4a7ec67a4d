/** A line that is longer than metactl writes any is not one line; it must not fill the memory. */
export const LONGEST = 1 << 20;

/** Puts lines together that come in pieces. Empty ones are none: metactl writes no such. */
export class Lines {
  #rest: Buffer = NOTHING;

  /** The callee has each line, without its line feed, for as long as it likes. */
  push(chunk: Buffer, each: (line: Buffer) => void): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      if (end > start) each(bytes.subarray(start, end));
      start = end + 1;
    }
    this.#rest = bytes.subarray(start);
    if (this.#rest.length > LONGEST) this.end(each);
  }

  /** What has come of a line that is never ended. */
  end(each: (line: Buffer) => void): void {
    const rest = this.#rest;
    this.#rest = NOTHING;
    if (rest.length > 0) each(rest);
  }
}

const NOTHING: Buffer = Buffer.alloc(0);
