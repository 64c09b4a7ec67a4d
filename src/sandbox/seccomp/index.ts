import { architectureNamed } from './architectures.ts';
import { compile } from './compile.ts';
import { checkExtra, describeExtra } from './extra.ts';
import type { Profile } from './profile.ts';
import { DEFAULT_PROFILE } from './rules.ts';

const compiled = new Map<string, Uint8Array>();

export interface SeccompOptions {
  /** Names of further system calls to allow, whatever their arguments. */
  readonly allow?: readonly string[];
  /** Where they are configured, for errors: `FILE:LINE: [section] key: `. */
  readonly where?: string;
}

/**
 * metactl's filter of system calls as struct sock_filter[], 8 bytes an instruction, in the byte order of `arch`.
 * @param arch as Node's `process.arch`: `x64` or `arm64`.
 * @throws MetactlError (78) for another architecture, or a name in `allow` that is unknown or refused (extra.ts).
 */
export function seccompProgram(arch: string, options: SeccompOptions = {}): Uint8Array {
  const architecture = architectureNamed(arch);
  const allow = [...new Set(options.allow)].sort();
  checkExtra(allow, options.where);
  const key = [arch, ...allow].join(' ');
  const program = compiled.get(key) ?? compile(withCalls(DEFAULT_PROFILE, allow), architecture);
  compiled.set(key, program);
  // A copy: what one plan does with its bytes must not reach the next one's.
  return program.slice();
}

function withCalls(profile: Profile, names: readonly string[]): Profile {
  const rules = profile.rules.map((rule) => ({ ...rule, calls: rule.calls.filter((name) => !names.includes(name)) }));
  return { ...profile, rules, extra: names };
}

/**
 * What the filter says, one line each, for `metactl plan`. The same on every architecture.
 * @param allow further calls, as `seccompProgram` takes them. @param log whether refused calls are logged.
 */
export function summary(allow: readonly string[] = [], log = false): readonly string[] {
  const profile = DEFAULT_PROFILE;
  const ruled = profile.rules.map(({ calls, doc }) => ({ calls: calls.filter((name) => !allow.includes(name)), doc }));
  return [
    `${profile.allow.length} system calls allowed, others EPERM, newer ones ENOSYS`,
    ...(allow.length === 0 ? [] : [`beside them ${allow.map(describeExtra).join(', ')}`]),
    ...ruled.flatMap(({ calls, doc }) => (calls.length === 0 ? [] : [`${calls.join(' and ')} ${doc}`])),
    'other architectures and x32 killed',
    ...(log ? ['what is refused goes to the kernel log'] : []),
  ];
}
