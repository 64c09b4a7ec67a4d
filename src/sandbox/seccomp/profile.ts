/**
 * What a filter of system calls says, as plain data. `families.ts` and `rules.ts` hold metactl's own; `compile.ts`
 * turns a profile into a BPF program.
 */

export type Action =
  | { readonly kind: 'allow' }
  /** The call fails with this errno; the kernel does nothing else. */
  | { readonly kind: 'errno'; readonly errno: number }
  /** The whole process dies of SIGSYS. */
  | { readonly kind: 'kill' };

/**
 * True if the lower 32 bits of an argument, masked, are one of `values`. Never the upper 32: every argument that the
 * rules look at is an `int` or `unsigned int` in the kernel, which drops them, so a comparison that looked there could
 * be talked past (CVE-2019-10063).
 */
export interface Comparison {
  /** 0–5. */
  readonly argument: number;
  /** All 32 bits unless given. */
  readonly mask?: number;
  readonly values: readonly number[];
}

/** All comparisons hold: this action. */
export interface Case {
  readonly when: readonly Comparison[];
  readonly action: Action;
}

/** A call whose arguments decide: the first case that holds, else `otherwise`. */
export interface Rule {
  readonly calls: readonly string[];
  readonly cases: readonly Case[];
  readonly otherwise: Action;
  /** For `metactl plan` and the documentation: one phrase after the names of the calls. */
  readonly doc: string;
}

/** Calls by name; names that an architecture lacks are skipped there. */
export interface Profile {
  readonly allow: readonly string[];
  readonly rules: readonly Rule[];
  /** Allowed beside those, whatever their arguments. They don't count for what is `newer`. */
  readonly extra?: readonly string[];
  /** For calls that are neither allowed nor ruled. */
  readonly fallback: Action;
  /** For numbers above every named one: calls of kernels newer than the profile. */
  readonly newer: Action;
}
