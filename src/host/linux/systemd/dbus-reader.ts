import { alignmentOf, splitSignature, unknownType } from './dbus-types.ts';

/** Reads values of a D-Bus message one after the other. Every read throws RangeError beyond the end of the bytes. */
export class DbusReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  forward(count: number): void {
    this.#at += count;
  }

  align(alignment: number): void {
    this.#at = Math.ceil(this.#at / alignment) * alignment;
  }

  value(signature: string): unknown {
    this.align(alignmentOf(signature));
    switch (signature[0]) {
      case 'y':
        return this.#bytes.readUInt8(this.#at++);
      case 'b':
        return this.#u32() !== 0;
      case 'u':
        return this.#u32();
      case 's':
      case 'o':
        return this.#text(this.#u32());
      case 'g':
        return this.#text(this.#bytes.readUInt8(this.#at++));
      case 'v':
        return this.value(this.value('g') as string);
      case 'a':
        return this.#array(signature.slice(1));
      case '(':
        return splitSignature(signature.slice(1, -1)).map((type) => this.value(type));
      default:
        throw unknownType(signature);
    }
  }

  #u32(): number {
    const value = this.#bytes.readUInt32LE(this.#at);
    this.#at += 4;
    return value;
  }

  #text(length: number): string {
    if (this.#at + length >= this.#bytes.length) throw new RangeError('a D-Bus text goes beyond its message');
    const text = this.#bytes.toString('utf8', this.#at, this.#at + length);
    this.#at += length + 1;
    return text;
  }

  #array(element: string): unknown[] {
    const length = this.#u32();
    this.align(alignmentOf(element));
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError('a D-Bus array goes beyond its message');
    const values: unknown[] = [];
    while (this.#at < end) values.push(this.value(element));
    return values;
  }
}
