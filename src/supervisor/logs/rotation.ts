import type { RotationSettings } from './settings.ts';

const DAY = 86_400_000;

/** The file that is written now. */
export function currentName(daemon: string): string {
  return `${daemon}.log`;
}

/** A file that is complete: its name says when that was. */
export interface RotatedFile {
  readonly name: string;
  /** Milliseconds since the epoch: no line of it is newer. */
  readonly at: number;
  readonly compressed: boolean;
}

/** `web.20261126T162501.123Z.log`: names of daemons have no dots, so none can be taken for another's. Pure. */
export function rotatedName(daemon: string, at: number): string {
  return `${daemon}.${new Date(at).toISOString().replace(/[-:]/g, '')}.log`;
}

const STAMP = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3}Z)\.log(\.gz)?$/;

/** A daemon's rotated files among a directory's names, oldest first. One that is there twice counts as compressed. Pure. */
export function rotatedFiles(daemon: string, names: readonly string[]): RotatedFile[] {
  const found = new Map<number, RotatedFile>();
  for (const name of names) {
    if (!name.startsWith(`${daemon}.`)) continue;
    const parts = STAMP.exec(name.slice(daemon.length + 1));
    if (parts === null) continue;
    const [, year, month, day, hour, minute, second, gz] = parts;
    const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}`);
    if (Number.isNaN(at)) continue;
    if (gz !== undefined || !found.has(at)) found.set(at, { name, at, compressed: gz !== undefined });
  }
  return [...found.values()].sort((a, b) => a.at - b.at);
}

/**
 * When a file is complete: later than all before it, also where the clock was set back.
 * Pure.
 */
export function stampAfter(files: readonly RotatedFile[], now: number): number {
  const last = files.at(-1)?.at ?? 0;
  return Math.max(Math.floor(now), last + 1);
}

/** Whether the file must be rotated before so many bytes more go into it. A clock that is set back rotates nothing. Pure. */
export function isRotationDue(
  file: { readonly size: number; readonly modified: number },
  bytes: number,
  now: number,
  { maxSize, daily }: RotationSettings,
): boolean {
  if (file.size === 0) return false;
  return file.size + bytes > maxSize || (daily && Math.floor(now / DAY) > Math.floor(file.modified / DAY));
}

/** What is not kept any more. Pure. */
export function expiredFiles(
  files: readonly RotatedFile[],
  now: number,
  { maxFiles, maxAge }: RotationSettings,
): RotatedFile[] {
  const surplus = files.length - maxFiles;
  return files.filter(({ at }, index) => index < surplus || now - at > maxAge);
}

/** How far the wall clock may move against one that is never set without a doubt about it: less than that, `log.max-age` is not about. */
const JUMP = DAY;
/** How long it must have been right since, ms. */
const AGREED = 3_600_000;

/**
 * Whether the wall clock can be believed in what is irreversible. Where it jumped by more than a day against the one that is never
 * set, it can't for an hour: it may be wrong for a moment. How it stood when this was made is taken for right.
 */
export class WallClock {
  readonly #now: () => number;
  readonly #steady: () => number;
  #offset: number;
  #from = Number.NEGATIVE_INFINITY;

  /** @param now milliseconds since the epoch. @param steady milliseconds of a clock that is never set. */
  constructor(now: () => number = Date.now, steady: () => number = () => performance.now()) {
    this.#now = now;
    this.#steady = steady;
    this.#offset = now() - steady();
  }

  now(): number {
    return this.#now();
  }

  /** Ask each time that it matters: a jump is noticed by it. */
  get isSure(): boolean {
    const steady = this.#steady();
    const offset = this.#now() - steady;
    if (Math.abs(offset - this.#offset) > JUMP) {
      this.#offset = offset;
      this.#from = steady + AGREED;
    }
    return steady >= this.#from;
  }
}
