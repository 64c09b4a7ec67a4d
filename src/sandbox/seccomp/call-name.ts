import { ARCHITECTURES } from './architectures.ts';

/** AUDIT_ARCH_… of linux/audit.h that have no filter of ours; a process that calls by them is killed. */
const FOREIGN: Readonly<Record<number, string>> = { 1073741827: 'i386', 1073741864: 'arm' };
/** A second numbering is x32's, which has calls of its own from here on. */
const X32_OWN = 512;

/**
 * The name of a call as the kernel's log gives it: `mount`, `getpid of x32`, `system call 20 of i386`. Pure.
 * @param audit AUDIT_ARCH_…: the convention that the call was made by.
 */
export function callName(audit: number, number: number): string {
  const architecture = ARCHITECTURES.find((candidate) => candidate.audit === audit);
  if (architecture === undefined) return `system call ${number} of ${FOREIGN[audit] ?? `0x${audit.toString(16)}`}`;
  const { numbers, secondNumbering } = architecture;
  const nameOf = (wanted: number) => Object.keys(numbers).find((name) => numbers[name] === wanted);
  if (secondNumbering === undefined || number < secondNumbering) return nameOf(number) ?? `system call ${number}`;
  const own = number - secondNumbering;
  return `${(own < X32_OWN ? nameOf(own) : undefined) ?? `system call ${own}`} of x32`;
}
