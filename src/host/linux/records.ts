/** The records that metactl-init writes to its pipes (native/protocol.h), and their readers. Pure. */

const ERROR_MAGIC = 0x5252454d;
const STATUS_MAGIC = 0x5453544d;
const ERROR_HEADER = 16;
const STATUS_SIZE = 48;

/** What failed while a sandbox was built or a program executed. */
export interface ErrorRecord {
  readonly errno: number;
  /** The exit status that metactl itself should have: 125, 126 or 127. */
  readonly exitStatus: number;
  readonly step: string;
  readonly syscall: string;
  readonly path: string;
}

export type StatusRecord =
  | { readonly kind: 'running'; readonly pid: number }
  | {
      readonly kind: 'ended';
      readonly code: number | undefined;
      readonly signal: number | undefined;
      readonly coreDumped: boolean;
      /** Microseconds. */
      readonly userTime: number;
      readonly systemTime: number;
      /** Kilobytes. */
      readonly maxRss: number;
    };

/** @returns undefined for bytes that are no whole error record. */
export function readErrorRecord(bytes: Buffer): ErrorRecord | undefined {
  if (bytes.length < ERROR_HEADER || bytes.readUInt32LE(0) !== ERROR_MAGIC) return undefined;
  const sizes = [bytes.readUInt16LE(8), bytes.readUInt16LE(10), bytes.readUInt16LE(12)] as const;
  if (bytes.length < ERROR_HEADER + sizes[0] + sizes[1] + sizes[2]) return undefined;
  const stepEnd = ERROR_HEADER + sizes[0];
  const callEnd = stepEnd + sizes[1];
  return {
    errno: bytes.readInt32LE(4),
    exitStatus: bytes.readUInt16LE(14),
    step: bytes.toString('utf8', ERROR_HEADER, stepEnd),
    syscall: bytes.toString('utf8', stepEnd, callEnd),
    path: bytes.toString('utf8', callEnd, callEnd + sizes[2]),
  };
}

/** Every whole status record, in order; stops at the first byte that begins none. */
export function readStatusRecords(bytes: Buffer): StatusRecord[] {
  const records: StatusRecord[] = [];
  for (let at = 0; at + STATUS_SIZE <= bytes.length; at += STATUS_SIZE) {
    if (bytes.readUInt32LE(at) !== STATUS_MAGIC) break;
    const kind = bytes.readUInt32LE(at + 4);
    if (kind === 1) {
      records.push({ kind: 'running', pid: bytes.readInt32LE(at + 8) });
      continue;
    }
    const code = bytes.readInt32LE(at + 12);
    records.push({
      kind: 'ended',
      code: code < 0 ? undefined : code,
      signal: code < 0 ? bytes.readInt32LE(at + 16) : undefined,
      coreDumped: bytes.readUInt32LE(at + 20) === 1,
      userTime: Number(bytes.readBigUInt64LE(at + 24)),
      systemTime: Number(bytes.readBigUInt64LE(at + 32)),
      maxRss: Number(bytes.readBigUInt64LE(at + 40)),
    });
  }
  return records;
}
