import { MetactlError } from '../../util/error.ts';

/** Collects the plan's values in host byte order (every supported machine is little-endian), as native/plan.h reads them. */
export class BinaryWriter {
  #buffer = Buffer.allocUnsafe(16 * 1024);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  u32(value: number): void {
    this.#size = this.#room(4).writeUInt32LE(value >>> 0, this.#size);
  }

  i32(value: number): void {
    this.#size = this.#room(4).writeInt32LE(value, this.#size);
  }

  u64(value: bigint): void {
    this.#size = this.#room(8).writeBigUInt64LE(value, this.#size);
  }

  /** Length, bytes, NUL. */
  bytes(value: Uint8Array): void {
    this.u32(value.length);
    this.#room(value.length + 1).set(value, this.#size);
    this.#size += value.length;
    this.#buffer[this.#size++] = 0;
  }

  /** @throws MetactlError METACTL_BAD_TEXT for a NUL, which no system call could carry. */
  text(value: string): void {
    if (value.includes('\0')) {
      throw new MetactlError(`\`${value.replaceAll('\0', '\\0')}\` holds a NUL character`, {
        code: 'METACTL_BAD_TEXT',
        step: 'encode plan',
        exitStatus: 78,
      });
    }
    this.bytes(Buffer.from(value));
  }

  /** What `copy` gave. */
  raw(value: Uint8Array): void {
    this.#room(value.length).set(value, this.#size);
    this.#size += value.length;
  }

  /** What has been written from there on. */
  copy(start: number): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#buffer, start, this.#size);
  }

  list<T>(items: readonly T[], write: (item: T) => void): void {
    this.u32(items.length);
    for (const item of items) write(item);
  }

  /** Overwrites a u32 written before. */
  patch(offset: number, value: number): void {
    this.#buffer.writeUInt32LE(value, offset);
  }

  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#size);
  }

  #room(size: number): Buffer {
    if (this.#size + size > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#size + size));
      this.#buffer.copy(larger, 0, 0, this.#size);
      this.#buffer = larger;
    }
    return this.#buffer;
  }
}
