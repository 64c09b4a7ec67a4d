import { DbusReader } from './dbus-reader.ts';
import { splitSignature, type Typed } from './dbus-types.ts';
import { DbusWriter } from './dbus-writer.ts';

/** D-Bus messages as bytes, little-endian ("D-Bus Specification", section Message Protocol). */

export interface MethodCall {
  readonly serial: number;
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly arguments: readonly Typed[];
}

export interface Message {
  /** 1 call, 2 answer, 3 error, 4 signal. */
  readonly type: number;
  /** Serial of the call that this answers. */
  readonly replyTo: number | undefined;
  readonly errorName: string | undefined;
  /** Empty for a signal. */
  readonly body: readonly unknown[];
}

const LITTLE_ENDIAN = 0x6c;
const VERSION = 1;
const METHOD_CALL = 1;
const SIGNAL = 4;
/** Header fields. */
const PATH = 1;
const INTERFACE = 2;
const MEMBER = 3;
const ERROR_NAME = 4;
const REPLY_SERIAL = 5;
const DESTINATION = 6;
const SIGNATURE = 8;
/** Up to and including the length of the header's array of fields. */
const FIXED_HEADER = 16;

/** Pure. */
export function encodeCall(call: MethodCall): Buffer {
  const body = new DbusWriter();
  for (const [signature, value] of call.arguments) body.value(signature, value);
  const signature = call.arguments.map(([type]) => type).join('');
  const fields = [
    [PATH, ['o', call.path]],
    [INTERFACE, ['s', call.interface]],
    [MEMBER, ['s', call.member]],
    [DESTINATION, ['s', call.destination]],
    ...(signature === '' ? [] : [[SIGNATURE, ['g', signature]]]),
  ];
  const head = new DbusWriter();
  for (const byte of [LITTLE_ENDIAN, METHOD_CALL, 0, VERSION]) head.value('y', byte);
  head.value('u', body.size);
  head.value('u', call.serial);
  head.value('a(yv)', fields);
  head.align(8);
  return Buffer.concat([head.bytes(), body.bytes()]);
}

/** Bytes that the message at the start of the buffer has; undefined while its header isn't there yet. Pure. */
export function messageSize(buffer: Buffer): number | undefined {
  if (buffer.length < FIXED_HEADER) return undefined;
  const fields = buffer.readUInt32LE(12);
  return FIXED_HEADER + padded(fields, 8) + buffer.readUInt32LE(4);
}

/** One whole message. Pure. @throws RangeError for bytes that are none. */
export function decodeMessage(bytes: Buffer): Message {
  const reader = new DbusReader(bytes);
  const [order, type] = [reader.value('y'), reader.value('y')];
  if (order !== LITTLE_ENDIAN) throw new RangeError('not a little-endian D-Bus message');
  reader.forward(10);
  const fields = new Map(reader.value('a(yv)') as [number, unknown][]);
  reader.align(8);
  // systemd tells everybody on its private socket when units change, in types that no answer of ours has: with 25 units that
  // start at once most get some before their answer.
  const signature = type === SIGNAL ? undefined : fields.get(SIGNATURE);
  return {
    type: type as number,
    replyTo: fields.get(REPLY_SERIAL) as number | undefined,
    errorName: fields.get(ERROR_NAME) as string | undefined,
    body: typeof signature === 'string' ? splitSignature(signature).map((one) => reader.value(one)) : [],
  };
}

function padded(size: number, alignment: number): number {
  return Math.ceil(size / alignment) * alignment;
}
