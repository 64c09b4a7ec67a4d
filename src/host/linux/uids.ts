import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { MetactlError } from '../../util/error.ts';

/** Ids of a moved root's slice. */
const SLICE = 100;

/**
 * The part of uid-range that a root leases from: the lower half for `/`, a slice of 100 of the upper half for a moved root,
 * by its id. Two roots know nothing of each other's leases, and files of one app must not belong to another's user. A range
 * too small to be parted is used whole. Pure.
 */
export function uidSlice([first, last]: readonly [number, number], nodeId: string): readonly [number, number] {
  const middle = first + Math.floor((last - first + 1) / 2);
  const slices = Math.floor((last - middle + 1) / SLICE);
  if (slices < 2) return [first, last];
  if (nodeId === '') return [first, middle - 1];
  const start = middle + (Number.parseInt(nodeId, 16) % slices) * SLICE;
  return [start, start + SLICE - 1];
}

/**
 * The lowest uid of the range that no app has leased, that names nobody (NSS: LDAP users are users too) and that no
 * running process has: a process of a removed user would get at the app's files.
 * @throws MetactlError METACTL_UIDS_EXHAUSTED.
 */
export function firstFreeUid([first, last]: readonly [number, number], leased: ReadonlySet<number>): number {
  const used = new Set([...leased, ...fileIds('/etc/passwd', 2), ...fileIds('/etc/group', 2), ...runningUids()]);
  for (let uid = first; uid <= last; uid++) {
    if (!used.has(uid) && !isNamed('passwd', uid) && !isNamed('group', uid)) return uid;
  }
  throw new MetactlError(`no user id is free in ${first}-${last}`, {
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
function isNamed(database: 'passwd' | 'group', id: number): boolean {
  try {
    execFileSync('/usr/bin/getent', [database, String(id)], { stdio: 'ignore', timeout: 10_000 });
    return true;
  } catch (error) {
    return (error as { status?: number }).status !== 2;
  }
}
