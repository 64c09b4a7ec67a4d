import { MetactlError } from '../../util/error.ts';

interface Room {
  readonly buffer: Buffer;
  // Node's own methods check and shift byte by byte in JavaScript; a supervisor's is never compiled.
  readonly view: DataView;
}

/** Of a writer that is done: a new one for each of a hundred launches would be garbage. */
let spare: Room | undefined;

/** Collects the plan's values in host byte order (every supported machine is little-endian), as native/plan.h reads them. */
export class BinaryWriter {
  #buffer: Buffer;
  #view: DataView;
  #size = 0;

  constructor() {
    const { buffer, view } = spare ?? roomOf(16 * 1024);
    spare = undefined;
    this.#buffer = buffer;
    this.#view = view;
  }

  get size(): number {
    return this.#size;
  }

  u32(value: number): void {
    this.#room(4);
    this.#view.setUint32(this.#size, value, true);
    this.#size += 4;
  }

  i32(value: number): void {
    this.#room(4);
    this.#view.setInt32(this.#size, value, true);
    this.#size += 4;
  }

  u64(value: bigint): void {
    this.#room(8);
    this.#view.setBigUint64(this.#size, value, true);
    this.#size += 8;
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
    const buffer = this.#room(4 + 3 * value.length + 1);
    const length = buffer.write(value, this.#size + 4);
    this.#view.setUint32(this.#size, length, true);
    this.#size += 4 + length;
    buffer[this.#size++] = 0;
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
    this.#view.setUint32(offset, value, true);
  }

  /** All of it. Nothing can be written after that. */
  finish(): Uint8Array {
    const bytes = this.copy(0);
    spare = { buffer: this.#buffer, view: this.#view };
    this.#buffer = NOTHING.buffer;
    this.#view = NOTHING.view;
    return bytes;
  }

  #room(size: number): Buffer {
    if (this.#size + size > this.#buffer.length) {
      const { buffer, view } = roomOf(Math.max(this.#buffer.length * 2, this.#size + size));
      this.#buffer.copy(buffer, 0, 0, this.#size);
      this.#buffer = buffer;
      this.#view = view;
    }
    return this.#buffer;
  }
}

function roomOf(size: number): Room {
  const buffer = Buffer.allocUnsafeSlow(size);
  return { buffer, view: new DataView(buffer.buffer, buffer.byteOffset, size) };
}

const NOTHING = roomOf(0);
