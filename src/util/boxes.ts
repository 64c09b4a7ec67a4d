/**
 * What a set of the kernel may hold: ranges of several fields, of which no two overlap. Configurations overlap all the time: a
 * network and a host in it, a name that two labels share. Pure.
 */

/** Inclusive. */
export interface Range {
  readonly first: bigint;
  readonly last: bigint;
}

/** One range for each field. */
export type Box = readonly Range[];

/**
 * The same as all boxes together, without any overlap; the widest stay whole.
 * @param most So many may go in and come out; how long it takes is bound by that too, for boxes come from applications.
 * @returns undefined where that is not enough.
 */
export function disjoint(boxes: readonly Box[], most = Number.POSITIVE_INFINITY): Box[] | undefined {
  if (boxes.length > most) return undefined;
  const sized = boxes.map((box) => ({ box, volume: volume(box) }));
  sized.sort((a, b) => compare(b.volume, a.volume));
  const result: Box[] = [];
  let left = most * most;
  for (const { box } of sized) {
    let pieces: Box[] = [box];
    for (const other of result) {
      left -= pieces.length;
      if (left < 0) return undefined;
      if (pieces.some((piece) => overlap(piece, other))) pieces = pieces.flatMap((piece) => without(piece, other));
      if (pieces.length === 0) break;
    }
    result.push(...pieces);
    if (result.length > most) return undefined;
  }
  return result;
}

function overlap(box: Box, other: Box): boolean {
  for (let i = 0; i < box.length; i++) {
    if (box[i]!.first > other[i]!.last || box[i]!.last < other[i]!.first) return false;
  }
  return true;
}

/** The pieces of a box that are not in another one. */
function without(box: Box, other: Box): Box[] {
  if (!overlap(box, other)) return [box];
  const pieces: Box[] = [];
  const rest = [...box];
  for (const [i, cut] of other.entries()) {
    const range = rest[i]!;
    const replaced = (part: Range) => [...rest.slice(0, i), part, ...rest.slice(i + 1)];
    if (range.first < cut.first) pieces.push(replaced({ first: range.first, last: cut.first - 1n }));
    if (range.last > cut.last) pieces.push(replaced({ first: cut.last + 1n, last: range.last }));
    rest[i] = {
      first: highest(range.first, cut.first),
      last: lowest(range.last, cut.last),
    };
  }
  return pieces;
}

/** Math.max knows no bigint. */
function highest(a: bigint, b: bigint): bigint {
  return compare(a, b) > 0 ? a : b;
}

function lowest(a: bigint, b: bigint): bigint {
  return compare(a, b) < 0 ? a : b;
}

function volume(box: Box): bigint {
  return box.reduce((product, { first, last }) => product * (last - first + 1n), 1n);
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
