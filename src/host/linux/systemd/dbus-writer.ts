import { alignmentOf, splitSignature, type Typed, unknownType } from './dbus-types.ts';

/** Collects values of a D-Bus message, little-endian. */
export class DbusWriter {
  readonly #bytes: number[] = [];

  get size(): number {
    return this.#bytes.length;
  }

  bytes(): Buffer {
    return Buffer.from(this.#bytes);
  }

  align(alignment: number): void {
    while (this.#bytes.length % alignment !== 0) this.#bytes.push(0);
  }

  value(signature: string, value: unknown): void {
    this.align(alignmentOf(signature));
    const kind = signature[0];
    if (kind === 'y') this.#bytes.push(value as number);
    else if (kind === 'b') this.#u32(value === true ? 1 : 0);
    else if (kind === 'u') this.#u32(value as number);
    else if (kind === 's' || kind === 'o') this.#string(value as string);
    else if (kind === 'g') this.#signature(value as string);
    else if (kind === 'v') this.#variant(value as Typed);
    else if (kind === 'a') this.#array(signature.slice(1), value as unknown[]);
    else if (kind === '(') this.#struct(splitSignature(signature.slice(1, -1)), value as unknown[]);
    else throw unknownType(signature);
  }

  #u32(value: number): void {
    this.#bytes.push(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24);
  }

  #string(text: string): void {
    const bytes = Buffer.from(text);
    this.#u32(bytes.length);
    this.#bytes.push(...bytes, 0);
  }

  #signature(text: string): void {
    this.#bytes.push(text.length, ...Buffer.from(text), 0);
  }

  #variant([signature, value]: Typed): void {
    this.#signature(signature);
    this.value(signature, value);
  }

  /** Its length does not count the padding before the first element. */
  #array(element: string, values: readonly unknown[]): void {
    const at = this.#bytes.length;
    this.#u32(0);
    this.align(alignmentOf(element));
    const start = this.#bytes.length;
    for (const value of values) this.value(element, value);
    Buffer.from(new Uint32Array([this.#bytes.length - start]).buffer).forEach((byte, i) => {
      this.#bytes[at + i] = byte;
    });
  }

  #struct(types: readonly string[], values: readonly unknown[]): void {
    for (const [i, type] of types.entries()) this.value(type, values[i]);
  }
}
