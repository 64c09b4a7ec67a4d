/**
 * How a process is replaced by another program that goes on with its work: same process id, same children, same
 * descriptors (`metactl reexec`). What the next one has to know is plain data, in which each descriptor stands as `{fd}`.
 */

/** An open descriptor, by the number that it keeps. */
export interface Descriptor {
  readonly fd: number;
}

/** Plain data that only the backend which made it can read. */
export type Handed = Readonly<Record<string, unknown>>;

/** What a host does for it. */
export interface HandoverHost {
  /** What any process of metactl's that runs daemons has open for all of them. */
  readonly give: () => Handed;
  /**
   * Takes that over: the first thing that the next process does with this host. @param all descriptors that came along.
   * @throws MetactlError METACTL_HANDOVER where it was not made by this very process, before it was replaced.
   */
  readonly take: (handed: Handed, all: readonly number[]) => void;
  /** Puts the document into an anonymous file that nobody can change any more. @returns its descriptor. */
  readonly seal: (document: Uint8Array) => number;
  /** Reads it and closes it. @throws MetactlError METACTL_HANDOVER where the descriptor is no such file. */
  readonly open: (fd: number) => Uint8Array;
  /** Becomes another program. Returns only by an error, after which everything is as it was. */
  readonly replace: (program: ReplacingProgram) => never;
  /** Ends children that belong to nothing that was taken over: helpers and probes of the process that was replaced. */
  readonly endStrays: (known: ReadonlySet<number>) => void;
}

export interface ReplacingProgram {
  readonly file: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Descriptors that stay open, besides the standard ones. */
  readonly keep: readonly number[];
}

/** All descriptors that stand in some plain data. Pure. */
export function descriptorsIn(value: unknown): number[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
  if (value instanceof Map) return [...value.values()].flatMap(descriptorsIn);
  // -1 stands for one that is closed.
  if (isDescriptor(value)) return value.fd < 0 ? [] : [value.fd];
  return Object.values(value).flatMap(descriptorsIn);
}

function isDescriptor(value: object): value is Descriptor {
  return Object.keys(value).length === 1 && Number.isInteger((value as Partial<Descriptor>).fd);
}
