import { MetactlError } from '../../util/error.ts';
import { ARM64 } from './numbers-arm64.ts';
import { X64 } from './numbers-x64.ts';

export interface Architecture {
  /** As `process.arch` of Node names it. */
  readonly name: string;
  /** AUDIT_ARCH_… of linux/audit.h: what a filter sees for the machine's own calling convention. */
  readonly audit: number;
  readonly numbers: Readonly<Record<string, number>>;
  /**
   * Bit of a second numbering within the same AUDIT_ARCH: x32 on x86_64. Its numbers mean other calls to the kernel
   * (or the same by another number), so a filter must not take them for the first.
   */
  readonly secondNumbering: number | undefined;
}

export const ARCHITECTURES: readonly Architecture[] = [
  { name: 'x64', audit: 0xc000_003e, numbers: X64, secondNumbering: 0x4000_0000 },
  { name: 'arm64', audit: 0xc000_00b7, numbers: ARM64, secondNumbering: undefined },
];

/** @throws MetactlError METACTL_SECCOMP_ARCHITECTURE where there is no table of system calls for it. */
export function architectureNamed(name: string): Architecture {
  const found = ARCHITECTURES.find((architecture) => architecture.name === name);
  if (found !== undefined) return found;
  throw new MetactlError(`there is no system call filter for the architecture \`${name}\``, {
    code: 'METACTL_SECCOMP_ARCHITECTURE',
    step: 'compile the system call filter',
    path: name,
    hint: `it exists for ${ARCHITECTURES.map((architecture) => architecture.name).join(' and ')}; [sandbox] seccomp = none does without`,
    exitStatus: 78,
  });
}
