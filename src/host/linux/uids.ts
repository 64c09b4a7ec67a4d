import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { MetactlError } from '../../util/error.ts';

/** Ids of a moved root's slice. */
const SLICE = 100;

/** Inclusive. */
type UidRange = readonly [number, number];
/** In the order in which they are used up. */
export type UidRanges = readonly UidRange[];

/**
 * The parts of uid-range that a root leases from, in this order: the lower half for `/`; for a moved root a slice of 100 of
 * the upper half, by its id, and only when that is full the rest of the half. Two roots know nothing of each other's leases, and
 * files of one app must not belong to another's user. A range too small to be parted is used whole. Pure.
 */
export function uidSlices([first, last]: UidRange, nodeId: string): UidRanges {
  const middle = first + Math.floor((last - first + 1) / 2);
  const slices = Math.floor((last - middle + 1) / SLICE);
  if (slices < 2) return [[first, last]];
  if (nodeId === '') return [[first, middle - 1]];
  const start = middle + (Number.parseInt(nodeId, 16) % slices) * SLICE;
  return [
    [start, start + SLICE - 1],
    [start + SLICE, last],
    [middle, start - 1],
  ];
}

/**
 * The first uid of the ranges that no app has leased, that names nobody (NSS: LDAP users are users too) and that no
 * running process has: a process of a removed user would get at the app's files.
 * @throws MetactlError METACTL_UIDS_EXHAUSTED.
 */
export function firstFreeUid(ranges: UidRanges, leased: ReadonlySet<number>): number {
  const used = new Set([...leased, ...fileIds('/etc/passwd', 2), ...fileIds('/etc/group', 2), ...runningUids()]);
  for (const [first, last] of ranges) {
    for (let uid = first; uid <= last; uid++) {
      if (!used.has(uid) && !isNamed('passwd', uid) && !isNamed('group', uid)) return uid;
    }
  }
  const text = ranges.filter(([first, last]) => first <= last).map((range) => range.join('-'));
  throw new MetactlError(`no user id is free in ${text.join(' ')}`, {
    code: 'METACTL_UIDS_EXHAUSTED',
    step: 'lease a user id',
    hint: 'make [node] uid-range in metactl.conf larger, or purge apps that are gone',
  });
}

function fileIds(path: string, field: number): number[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .map((line) => Number(line.split(':')[field]));
  } catch {
    return [];
  }
}

/** Real uids of all processes. One that ends meanwhile has none. */
function runningUids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const line = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
        return line === null ? [] : [Number(line[1])];
      } catch {
        return [];
      }
    });
}

/** getent ends with 2 where NSS knows nobody by that number; anything else but 0 tells nothing, and is no proof. */
export function isNamed(database: 'passwd' | 'group', id: number): boolean {
  try {
    execFileSync('/usr/bin/getent', [database, String(id)], { stdio: 'ignore', timeout: 10_000 });
    return true;
  } catch (error) {
    return (error as { status?: number }).status !== 2;
  }
}
