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

/** The same as all boxes together, without any overlap; the widest stay whole. */
export function disjoint(boxes: readonly Box[]): Box[] {
  const widestFirst = [...boxes].sort((a, b) => compare(volume(b), volume(a)));
  const result: Box[] = [];
  for (const box of widestFirst) {
    let pieces: Box[] = [box];
    for (const other of result) {
      pieces = pieces.flatMap((piece) => without(piece, other));
      if (pieces.length === 0) break;
    }
    result.push(...pieces);
  }
  return result;
}

/** The pieces of a box that are not in another one. */
function without(box: Box, other: Box): Box[] {
  if (!box.every((range, i) => range.first <= other[i]!.last && range.last >= other[i]!.first)) return [box];
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
