import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Threads of Node's pool (4 unless told) that logs may have at a time: disks that hang must not take them all, nor that of log daemons,
 * which have no disk.
 */
const MOST = 2;
const MOST_ELSEWHERE = 1;
/** Between two looks. ms */
const PAUSE = 10;

interface Turn {
  readonly disk: string | undefined;
  /** By a clock that is never set. */
  since: number;
}

const underWay = new Set<Turn>();
const waiting: { readonly turn: Turn; readonly begin: () => void }[] = [];

/**
 * Does something that a disk may never let end, in its turn. A thread that hangs in the kernel is lost until the disk goes on, so
 * they are rationed: one for each `disk`, which makes whatever has the same one go on in order, and few in all.
 * @param disk a directory's path; undefined: something else than a disk.
 */
export async function inTurn<T>(disk: string | undefined, act: () => Promise<T>): Promise<T> {
  const turn: Turn = { disk, since: performance.now() };
  if (isFree(turn)) underWay.add(turn);
  else await new Promise<void>((begin) => waiting.push({ turn, begin }));
  try {
    return await act();
  } finally {
    underWay.delete(turn);
    next();
  }
}

/**
 * Whether a disk has not answered for so many milliseconds: as long as it doesn't, this process can neither end nor become another
 * one.
 */
function hangs(milliseconds: number): boolean {
  const now = performance.now();
  return [...underWay].some(({ disk, since }) => disk !== undefined && now - since > milliseconds);
}

/** Waits until no disk has kept anybody waiting for so long. @returns false where one still does after `patience` ms. */
export async function untilNoneHangs(milliseconds: number, patience: number): Promise<boolean> {
  for (const end = performance.now() + patience; hangs(milliseconds); await sleep(PAUSE)) {
    if (performance.now() > end) return false;
  }
  return true;
}

function isFree({ disk }: Turn): boolean {
  const elsewhere = [...underWay].filter((other) => other.disk === undefined).length;
  if (disk === undefined) return elsewhere < MOST_ELSEWHERE;
  return underWay.size - elsewhere < MOST && ![...underWay].some((other) => other.disk === disk);
}

function next(): void {
  for (let at = 0; at < waiting.length && underWay.size < MOST + MOST_ELSEWHERE; ) {
    const { turn, begin } = waiting[at]!;
    if (isFree(turn)) {
      waiting.splice(at, 1);
      turn.since = performance.now();
      underWay.add(turn);
      begin();
    } else at++;
  }
}
