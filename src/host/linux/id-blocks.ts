import { readdirSync, readFileSync } from 'node:fs';
import { MetactlError } from '../../util/error.ts';
import { BLOCK_SIZE } from '../../util/ids.ts';
import { isNamed } from './uids.ts';

/** Inclusive. */
export type IdRange = readonly [number, number];

/** What blocks must keep clear of. */
export interface IdsInUse {
  /** First ids of the blocks of all apps. */
  readonly leased: readonly number[];
  /** Where apps' own user ids come from: those are on disk beside those of blocks. */
  readonly uidRange: IdRange;
}

/**
 * The first free block of `range` for an app of this root: as the root's own part of uid-range, the lower half is `/`'s,
 * and a moved root begins at a place of the upper half that follows from its id. Left out are blocks in which NSS,
 * /etc/subuid, /etc/subgid or a running process has an id.
 * @throws MetactlError METACTL_IDS_EXHAUSTED.
 */
export function firstFreeBlock(range: IdRange, nodeId: string, inUse: IdsInUse): number {
  const used = [...usedRanges(inUse), ...fileRanges(), ...processRanges()];
  for (const first of candidates(range, nodeId)) {
    const last = first + BLOCK_SIZE - 1;
    if (used.some(([low, high]) => low <= last && high >= first)) continue;
    if (![first, last].some((id) => isNamed('passwd', id) || isNamed('group', id))) return first;
  }
  throw new MetactlError(`no ${BLOCK_SIZE} ids in a row are free in ${range.join('-')}`, {
    code: 'METACTL_IDS_EXHAUSTED',
    step: 'lease ids for a user namespace',
    hint: 'make [node] subuid-range in metactl.conf larger, or purge apps that are gone',
  });
}

/** First ids of whole blocks, in the order in which a root tries them: aligned, as systemd-nspawn's are. Pure. */
export function* candidates([low, high]: IdRange, nodeId: string): Generator<number> {
  const begin = Math.ceil(low / BLOCK_SIZE);
  const count = Math.floor((high + 1) / BLOCK_SIZE) - begin;
  const middle = Math.floor(count / 2);
  const [from, size] = count < 2 ? [0, Math.max(count, 0)] : nodeId === '' ? [0, middle] : [middle, count - middle];
  const start = nodeId === '' || size === 0 ? 0 : Number.parseInt(nodeId, 16) % size;
  for (let i = 0; i < size; i++) yield (begin + from + ((start + i) % size)) * BLOCK_SIZE;
}

function usedRanges({ leased, uidRange }: IdsInUse): IdRange[] {
  return [uidRange, ...leased.map((first): IdRange => [first, first + BLOCK_SIZE - 1])];
}

/** Local users and groups, and what others have been given for namespaces. */
function fileRanges(): IdRange[] {
  return [
    ...['/etc/passwd', '/etc/group'].flatMap((path) => readRanges(path, ([, , id]) => [Number(id), 1])),
    ...['/etc/subuid', '/etc/subgid'].flatMap((path) =>
      readRanges(path, ([, id, count]) => [Number(id), Number(count)]),
    ),
  ];
}

function readRanges(path: string, parse: (fields: readonly string[]) => readonly [number, number]): IdRange[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line): IdRange[] => {
    const [first, count] = parse(line.split(':'));
    return Number.isInteger(first) && count > 0 ? [[first, first + count - 1]] : [];
  });
}

/** All user and group ids of all processes, and what their user namespaces could use. One that ends meanwhile has none. */
function processRanges(): IdRange[] {
  const maps = new Set<string>();
  const ids = new Set<number>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      for (const line of readFileSync(`/proc/${pid}/status`, 'utf8').matchAll(/^(?:Uid|Gid|Groups):\s+(.+)$/gm)) {
        for (const id of line[1]!.trim().split(/\s+/)) ids.add(Number(id));
      }
      for (const name of ['uid_map', 'gid_map']) maps.add(readFileSync(`/proc/${pid}/${name}`, 'utf8'));
    } catch {
      // It ended.
    }
  }
  return [...[...ids].map((id): IdRange => [id, id]), ...parseMaps(maps)];
}

/** The host's side of maps that are not the whole of it. Pure. */
export function parseMaps(maps: Iterable<string>): IdRange[] {
  const whole = 4_294_967_295;
  return [...maps].flatMap((text) =>
    text.split('\n').flatMap((line): IdRange[] => {
      const [, first = Number.NaN, count = 0] = line.trim().split(/\s+/).map(Number);
      return Number.isInteger(first) && count > 0 && count < whole ? [[first, first + count - 1]] : [];
    }),
  );
}
