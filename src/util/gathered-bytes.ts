/** An empty one keeps this much, so that what comes in small pieces makes no garbage. */
const KEPT = 4096;

/** Bytes that come piece by piece, in one buffer: each is copied some two times at most, however small the pieces are. */
export class GatheredBytes {
  #buffer: Buffer = NOTHING;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** All of them; there only until the next call of this object. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  append(piece: Uint8Array): void {
    const length = this.#length + piece.length;
    if (length > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#buffer.length));
      larger.set(this.bytes);
      this.#buffer = larger;
    }
    this.#buffer.set(piece, this.#length);
    this.#length = length;
  }

  /** Lets go of the first ones. */
  drop(count: number): void {
    this.#buffer.copyWithin(0, count, this.#length);
    this.#length -= count;
    if (this.#length === 0 && this.#buffer.length > KEPT) this.#buffer = NOTHING;
  }

  clear(): void {
    this.drop(this.#length);
  }
}

const NOTHING: Buffer = Buffer.alloc(0);
