import { MetactlError } from '../../util/error.ts';
import { nearest } from '../../util/suggest.ts';
import { ARCHITECTURES, architectureNamed } from './architectures.ts';
import { compile } from './compile.ts';
import type { Profile } from './profile.ts';
import { DEFAULT_PROFILE } from './rules.ts';

const compiled = new Map<string, Uint8Array>();

export interface SeccompOptions {
  /** Names of further system calls to allow, whatever their arguments. */
  readonly allow?: readonly string[];
}

/**
 * metactl's filter of system calls as struct sock_filter[], 8 bytes an instruction, in the byte order of `arch`.
 * @param arch as Node's `process.arch`: `x64` or `arm64`.
 * @throws MetactlError (78) for another architecture or an unknown name in `allow`.
 */
export function seccompProgram(arch: string, options: SeccompOptions = {}): Uint8Array {
  const architecture = architectureNamed(arch);
  const allow = [...(options.allow ?? [])].sort();
  const key = [arch, ...allow].join(' ');
  const program = compiled.get(key) ?? compile(withCalls(DEFAULT_PROFILE, allow), architecture);
  compiled.set(key, program);
  // A copy: what one plan does with its bytes must not reach the next one's.
  return program.slice();
}

function withCalls(profile: Profile, names: readonly string[]): Profile {
  const known = new Set(ARCHITECTURES.flatMap(({ numbers }) => Object.keys(numbers)));
  for (const name of names) {
    if (known.has(name)) continue;
    const near = nearest(name, [...known]);
    throw new MetactlError(
      `there is no system call \`${name}\`${near === undefined ? '' : `; did you mean \`${near}\`?`}`,
      {
        code: 'METACTL_UNKNOWN_SYSCALL',
        step: 'compile the system call filter',
        path: name,
        hint: 'use the names of syscalls(2)',
        exitStatus: 78,
      },
    );
  }
  const rules = profile.rules.map((rule) => ({ ...rule, calls: rule.calls.filter((name) => !names.includes(name)) }));
  return { ...profile, allow: [...profile.allow, ...names], rules };
}

/** What the filter says, one line each, for `metactl plan`. The same on every architecture. */
export function summary(profile: Profile = DEFAULT_PROFILE): readonly string[] {
  return [
    `${profile.allow.length} system calls allowed, others EPERM, newer ones ENOSYS`,
    ...profile.rules.map((rule) => `${rule.calls.join(' and ')} ${rule.doc}`),
    'other architectures and x32 killed',
  ];
}
