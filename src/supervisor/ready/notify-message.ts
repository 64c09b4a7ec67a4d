import { escapeText } from '../../util/escape.ts';

/** What a daemon says by sd_notify(3). Texts are safe to print. Unknown assignments are left out, as the protocol asks. */
export interface NotifyMessage {
  readonly ready: boolean;
  readonly reloading: boolean;
  readonly stopping: boolean;
  readonly status?: string;
  /** An errno value. */
  readonly errno?: number;
  /** As the sender sees it. */
  readonly mainPid?: number;
  readonly watchdog?: 'alive' | 'trigger';
  /** Milliseconds. */
  readonly watchdogTime?: number;
  /** Milliseconds from now. */
  readonly extendTimeout?: number;
  /** It asks for its descriptors to be kept, by this name; `watched`: only until their other ends hang up. */
  readonly store?: { readonly name: string; readonly watched: boolean };
  /** It asks to let go of what is kept by this name. */
  readonly forget?: string;
  /** It waits until everything before this message was dealt with. */
  readonly barrier: boolean;
}

/** Characters of a status text that are kept. */
const LONGEST_STATUS = 256;
/** systemd's FDNAME: 1 to 255 printable ASCII characters without a colon. */
const FD_NAME = /^[\x20-\x39\x3b-\x7e]{1,255}$/;

/**
 * Reads a message: lines of `NAME=value`. The last of several equal names counts. Pure.
 * @returns undefined where it is none: bytes that are no text, or nothing that could be an assignment.
 */
export function parseNotification(bytes: Uint8Array): NotifyMessage | undefined {
  const text = decode(bytes);
  if (text === undefined) return undefined;
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const equals = line.indexOf('=');
    if (equals > 0) values.set(line.slice(0, equals), line.slice(equals + 1));
  }
  if (values.size === 0) return undefined;
  const flag = (name: string) => values.get(name) === '1';
  const status = values.get('STATUS');
  return {
    ready: flag('READY'),
    reloading: flag('RELOADING'),
    stopping: flag('STOPPING'),
    barrier: flag('BARRIER') && values.size === 1,
    ...(status === undefined ? {} : { status: shortened(status) }),
    ...present('errno', whole(values.get('ERRNO'), 1, 4095)),
    ...present('mainPid', whole(values.get('MAINPID'), 1, 2 ** 22)),
    ...present('watchdog', WATCHDOG[values.get('WATCHDOG') ?? '']),
    ...present('watchdogTime', microseconds(values.get('WATCHDOG_USEC'))),
    ...present('extendTimeout', microseconds(values.get('EXTEND_TIMEOUT_USEC'))),
    ...storeOf(values),
  };
}

/** FDSTOREREMOVE=1 means something only with a name, and then nothing is stored. */
function storeOf(values: ReadonlyMap<string, string>): Pick<NotifyMessage, 'store' | 'forget'> {
  const given = values.get('FDNAME');
  const name = given !== undefined && FD_NAME.test(given) ? given : undefined;
  if (values.get('FDSTOREREMOVE') === '1') return name === undefined ? {} : { forget: name };
  if (values.get('FDSTORE') !== '1') return {};
  return { store: { name: name ?? 'stored', watched: values.get('FDPOLL') !== '0' } };
}

const WATCHDOG: Readonly<Record<string, 'alive' | 'trigger'>> = { 1: 'alive', trigger: 'trigger' };

function present<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}

/** A NUL may end it (programs send their terminator along), but not stand in it. */
function decode(bytes: Uint8Array): string | undefined {
  const trimmed = bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes;
  if (trimmed.includes(0)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(trimmed);
  } catch {
    return undefined;
  }
}

function shortened(text: string): string {
  const characters = [...text];
  const short = characters.length > LONGEST_STATUS ? `${characters.slice(0, LONGEST_STATUS).join('')}…` : text;
  return escapeText(short);
}

function whole(text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined || !/^\d{1,20}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}

/** Longest timer Node can set; whoever asks for more means "for ever". ms */
const LONGEST = 2 ** 31 - 1;

function microseconds(text: string | undefined): number | undefined {
  const value = whole(text, 1, Number.MAX_VALUE);
  return value === undefined ? undefined : Math.min(Math.ceil(value / 1000), LONGEST);
}
