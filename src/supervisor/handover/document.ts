import { deserialize, serialize } from 'node:v8';
import type { Descriptor, Handed } from '../../host/handover.ts';
import { MetactlError } from '../../util/error.ts';
import type { HandedControl } from '../control/server.ts';

/**
 * Raised with every change of what is handed over: of anything below here, of a SandboxPlan, of a state machine's model, and
 * of the records and pipes between metactl and a running metactl-init. A version that can't read it refuses, before the
 * process that runs is touched.
 */
export const HANDOVER_VERSION = 11;

/** What a supervisor hands over to the process that takes its place. */
export interface Handover<Body> {
  /** Of metactl, as people know it. */
  readonly metactl: string;
  /** How often this process has been replaced before. */
  readonly replaced: number;
  readonly host: Handed;
  readonly lock: Descriptor;
  readonly control: HandedControl;
  readonly body: Body;
}

const HEAD = /^metactl-handover (\d{1,9})\n/;
const LONGEST_HEAD = 32;

/** A line that tells the version, then plain data as V8 writes it, which later versions of V8 read too. Pure. */
export function encodeHandover<Body>(handover: Handover<Body>, version: number = HANDOVER_VERSION): Uint8Array {
  return Buffer.concat([Buffer.from(`metactl-handover ${version}\n`), serialize(handover)]);
}

/** Pure. @throws MetactlError METACTL_HANDOVER for another version, or bytes that are none. */
export function decodeHandover<Body>(bytes: Uint8Array): Handover<Body> {
  const document = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const head = HEAD.exec(document.toString('latin1', 0, LONGEST_HEAD));
  if (head === null) throw unreadable('it is no hand-over of metactl');
  if (Number(head[1]) !== HANDOVER_VERSION) {
    throw unreadable(`its format is version ${head[1]}, and this metactl reads ${HANDOVER_VERSION}`);
  }
  try {
    return deserialize(document.subarray(head[0].length)) as Handover<Body>;
  } catch (error) {
    throw unreadable((error as Error).message);
  }
}

function unreadable(why: string): MetactlError {
  return new MetactlError(`can't read what is handed over: ${why}`, {
    code: 'METACTL_HANDOVER',
    step: 'take over',
    hint: 'stop all apps with the old version, then start them with the new one',
  });
}
