import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Architecture } from '../../../../src/sandbox/seccomp/architectures.ts';
import { assemble, type Label, type Statement } from '../../../../src/sandbox/seccomp/bpf.ts';
import { compile } from '../../../../src/sandbox/seccomp/compile.ts';
import { check, decode, run } from './interpreter.ts';

const ALLOW = 0x7fff_0000;
const KILL = 0x8000_0000;

/** `if nr == 7 then yes else no`, with so many instructions before each. */
function branch(beforeYes: number, beforeNo: number): Uint8Array {
  const [yes, no]: [Label, Label] = [{ name: 'yes' }, { name: 'no' }];
  const filler = (count: number) =>
    Array.from({ length: count }, (): Statement => ({ op: 'return', value: 0x0005_0001 }));
  return assemble([
    { op: 'load', offset: 0 },
    { op: 'if', test: 'equal', value: 7, yes, no },
    ...filler(beforeYes),
    { op: 'label', label: yes },
    { op: 'return', value: ALLOW },
    ...filler(beforeNo),
    { op: 'label', label: no },
    { op: 'return', value: KILL },
  ]);
}

describe('the BPF assembler', () => {
  it('writes struct sock_filter, little-endian', () => {
    expect([...assemble([{ op: 'and', mask: 0x1234_5678 }])]).toEqual([0x54, 0, 0, 0, 0x78, 0x56, 0x34, 0x12]);
    expect([...assemble([{ op: 'return', value: KILL }])]).toEqual([0x06, 0, 0, 0, 0, 0, 0, 0x80]);
    expect([...branch(0, 0).slice(8, 16)]).toEqual([0x15, 0, 0, 1, 7, 0, 0, 0]);
  });

  it.each([
    [0, 0, 4],
    [255, 0, 261],
    [254, 0, 258],
    [0, 254, 258],
    [0, 255, 261],
    [0, 3000, 3006],
    [2000, 2000, 4006],
  ])('jumps over %i and %i instructions', (beforeYes, beforeNo, length) => {
    const program = branch(beforeYes, beforeNo);
    check(program);
    expect(decode(program)).toHaveLength(length);
    expect(run(program, { number: 7, arch: 0 }).verdict).toBe('allow');
    expect(run(program, { number: 8, arch: 0 }).verdict).toBe('kill');
  });

  it('refuses programs that the kernel would', () => {
    expect(() => branch(2048, 2048)).toThrow('a BPF program of 4102 instructions is too long');
    const nowhere: Label = { name: 'x' };
    const test = { op: 'if', test: 'equal', value: 0, yes: nowhere, no: nowhere } as const;
    expect(() => assemble([test])).toThrow('the BPF label x is nowhere');
    expect(() => assemble([{ op: 'label', label: nowhere }, { op: 'return', value: 0 }, test])).toThrow(
      'the BPF label x is behind a jump to it',
    );
  });
});

describe('the compiler', () => {
  it('keeps to any allowlist, also one that needs far jumps', () => {
    const numbers = Object.fromEntries(Array.from({ length: 1000 }, (_, number) => [`c${number}`, number]));
    const architecture: Architecture = { name: 'test', audit: 1, numbers, secondNumbering: undefined };
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(999), { maxLength: 400 }), (allowed) => {
        const program = compile(
          {
            allow: allowed.map((number) => `c${number}`),
            rules: [],
            fallback: { kind: 'errno', errno: 1 },
            newer: { kind: 'errno', errno: 38 },
          },
          architecture,
        );
        check(program);
        const last = Math.max(-1, ...allowed);
        for (let number = 0; number <= 1000; number += 1) {
          const expected = allowed.includes(number) ? 'allow' : { errno: number > last ? 38 : 1 };
          expect(run(program, { number, arch: 1 }).verdict).toEqual(expected);
        }
      }),
      { numRuns: 25 },
    );
  });
});
