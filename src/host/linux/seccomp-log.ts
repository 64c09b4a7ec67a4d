import { closeSync, constants, openSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { escapeText } from '../../util/escape.ts';
import type { FilteredCall, FilteredCallQuery } from '../filtered-call.ts';

/** SECCOMP_RET_… of linux/seccomp.h, without their data. */
const ACTIONS: Readonly<Record<number, FilteredCall['action']>> = {
  2147483648: 'kill',
  0: 'kill',
  196608: 'trap',
  327680: 'errno',
  2146435072: 'trace',
  2147221504: 'log',
};

/** Records of /dev/kmsg are at most this long (PRINTK_MESSAGE_MAX is 2048; escapes make it more). */
const RECORD = 8192;
/** A buffer of 2^25 bytes, the largest that is usual, has no more. */
const MOST_RECORDS = 200_000;
/** Reading it takes no longer than this, in milliseconds. */
const MOST_TIME = 500;
/** The kernel writes from a thread of its own: milliseconds between two looks. */
const PAUSE = 20;

/**
 * Reads one record of /dev/kmsg (`PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;TEXT`). Pure.
 * @returns undefined for every other record, and for one that the kernel has not written itself: who may write to
 *   /dev/kmsg can't choose facility 0 there.
 */
export function parseKernelRecord(record: string): FilteredCall | undefined {
  const head = /^(\d+),\d+,\d+,[^;]*;/.exec(record);
  if (head === null || Number(head[1]) >> 3 !== 0) return undefined;
  return parseAuditRecord(record.slice(head[0].length));
}

/**
 * Reads an audit record of type SECCOMP (1326), as the kernel's log (`audit: type=1326 audit(…): …`) and auditd's
 * (`type=SECCOMP msg=audit(…): …`) have it. Pure. @returns undefined for any other text.
 */
export function parseAuditRecord(text: string): FilteredCall | undefined {
  const found = /^(?:audit: )?type=(?:1326|SECCOMP) (?:msg=)?audit\((\d+)\.(\d{3}):\d+\): ([^\n]*)/.exec(text);
  if (found === null) return undefined;
  // The names come quoted, or in hexadecimal where they hold what could break out of quotes.
  const fields = new Map([...found[3]!.matchAll(/(\w+)=("[^"]*"|\S+)/g)].map((match) => [match[1]!, match[2]!]));
  const number = (key: string, base: number) => Number.parseInt(fields.get(key) ?? '', base);
  const call = {
    time: Number(found[1]) * 1000 + Number(found[2]),
    pid: number('pid', 10),
    uid: number('uid', 10),
    command: untrusted(fields.get('comm')),
    program: untrusted(fields.get('exe')),
    audit: number('arch', 16),
    number: number('syscall', 10),
  };
  const action = Number(fields.get('code'));
  if ([call.pid, call.uid, call.audit, call.number, action].some(Number.isNaN)) return undefined;
  return { ...call, action: ACTIONS[(action & 0xffff_0000) >>> 0] ?? 'other' };
}

function untrusted(text = ''): string {
  if (text.startsWith('"')) return escapeText(text.slice(1, -1));
  return /^(?:[0-9A-F]{2})+$/.test(text) ? escapeText(Buffer.from(text, 'hex').toString('utf8')) : escapeText(text);
}

/** A source of records, one by one; undefined at its end for now. Tests put another in the kernel's place. */
export interface KernelLog {
  next(): string | undefined;
  close(): void;
}

/** /dev/kmsg from its oldest record on. @returns undefined where it can't be read (no root, no such device). */
export function openKernelLog(): KernelLog | undefined {
  let fd: number;
  try {
    fd = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  const buffer = Buffer.allocUnsafe(RECORD);
  const next = (): string | undefined => {
    for (;;) {
      try {
        const size = readSync(fd, buffer, 0, RECORD, null);
        return size === 0 ? undefined : buffer.toString('utf8', 0, size);
      } catch (error) {
        // EPIPE: the oldest records were overwritten meanwhile, and reading goes on after them.
        if ((error as NodeJS.ErrnoException).code !== 'EPIPE') return undefined;
      }
    }
  };
  return { next, close: () => closeSync(fd) };
}

/**
 * What filters did to a user's processes, oldest first, as far as the kernel's log still has it. Killed processes are
 * always there, unless auditd takes the records (`ausearch -m SECCOMP`) or many came at once (the kernel writes ten in
 * five seconds); refused calls only from filters that ask for it (`[sandbox] log-syscalls`).
 * @param patience milliseconds to wait for a first record: it comes a moment after the process's end.
 */
export async function filteredCalls(
  query: FilteredCallQuery,
  patience = 0,
  open: () => KernelLog | undefined = openKernelLog,
): Promise<readonly FilteredCall[]> {
  const log = open();
  if (log === undefined) return [];
  const found: FilteredCall[] = [];
  try {
    for (const end = performance.now() + patience; ; ) {
      found.push(...readAvailable(log, query));
      if (found.length > 0 || performance.now() >= end) return found;
      await sleep(PAUSE);
    }
  } finally {
    log.close();
  }
}

function readAvailable(log: KernelLog, { uid, uids = 1, since, action }: FilteredCallQuery): FilteredCall[] {
  const found: FilteredCall[] = [];
  const end = performance.now() + MOST_TIME;
  for (let count = 0; count < MOST_RECORDS && performance.now() < end; count++) {
    const record = log.next();
    if (record === undefined) break;
    const call = record.includes('=1326 ') ? parseKernelRecord(record) : undefined;
    if (call === undefined || call.uid < uid || call.uid >= uid + uids || call.time < since) continue;
    if (action === undefined || call.action === action) found.push(call);
  }
  return found;
}
