import type { SeccompOptions } from './index.ts';

/** What `seccompProgram` gives without options, base64, put in by the bundler; not there when run from source. */
declare const METACTL_SECCOMP_X64: string | undefined;
declare const METACTL_SECCOMP_ARM64: string | undefined;

const PROGRAMS: Readonly<Record<string, string | undefined>> = {
  x64: typeof METACTL_SECCOMP_X64 === 'string' ? METACTL_SECCOMP_X64 : undefined,
  arm64: typeof METACTL_SECCOMP_ARM64 === 'string' ? METACTL_SECCOMP_ARM64 : undefined,
};

export type MakeProgram = (arch: string, options: SeccompOptions) => Uint8Array;

/**
 * `seccompProgram`, or as much of it as is needed: for an app that allows no further calls its one program is taken as it
 * was compiled at the build. Compiling it would take 3 ms of every start, and its tables two more to load.
 * @param usual whether nothing will be asked but the default program.
 */
export async function programMaker(arch: string, usual: boolean): Promise<MakeProgram> {
  const program = usual ? PROGRAMS[arch] : undefined;
  if (program === undefined) return (await import('./index.ts')).seccompProgram;
  return () => new Uint8Array(Buffer.from(program, 'base64'));
}
