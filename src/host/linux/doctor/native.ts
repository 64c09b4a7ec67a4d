import { type Addon, addon } from '../addon.ts';

/** The addon's part for `doctor`: each leaves the machine as it was. Error numbers are positive, 0 where it worked. */
declare module '../addon.ts' {
  interface Addon {
    /** Namespaces and filters in children that end at once; system calls with arguments that no kernel accepts. */
    probeKernel(): Record<string, number>;
    /**
     * Makes a link of each kind, and sends each batch to nfnetlink, in a network namespace that ends with the call.
     * `error`: why there is none.
     */
    probeNetwork(
      kinds: readonly string[],
      batches: readonly Uint8Array[],
    ): { readonly error: number; readonly links: readonly number[]; readonly answers: readonly Uint8Array[] };
    /** Whether the file system behind each path takes idmapped mounts, tried on mounts that are nowhere attached. */
    probeIdmaps(paths: readonly string[]): readonly number[];
    /** adjtimex(2), read only; maxError in microseconds. */
    clockState(): { readonly synchronised: boolean; readonly maxError: number };
  }
}

export function doctorAddon(): Addon {
  return addon();
}
