import { expect, it } from 'vitest';
import { callName } from '../../../../src/sandbox/seccomp/call-name.ts';

const [X64, ARM64, I386, ARM, RISCV64] = [0xc000_003e, 0xc000_00b7, 0x4000_0003, 0x4000_0028, 0xc000_00f3];
const X32 = 0x4000_0000;

it.each([
  [X64, 165, 'mount'],
  [ARM64, 40, 'mount'],
  [X64, 99_999, 'system call 99999'],
  [ARM64, X32 + 39, `system call ${X32 + 39}`],
  [X64, X32 + 39, 'getpid of x32'],
  // execve of x32: 520 there, another call of ours.
  [X64, X32 + 520, 'system call 520 of x32'],
  [I386, 20, 'system call 20 of i386'],
  [ARM, 20, 'system call 20 of arm'],
  [RISCV64, 40, 'system call 40 of 0xc00000f3'],
])('of convention %i, number %i is called %s', (audit, number, name) => {
  expect(callName(audit, number)).toBe(name);
});
