import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { MetactlError } from '../../util/error.ts';

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
