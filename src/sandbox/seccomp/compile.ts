import type { Architecture } from './architectures.ts';
import { assemble, type Label, type Statement } from './bpf.ts';
import type { Action, Comparison, Profile, Rule } from './profile.ts';

/** struct seccomp_data of linux/seccomp.h: nr, arch, instruction_pointer, args[6] of 64 bits. */
const NUMBER = 0;
const ARCH = 4;
const lowerHalfOf = (argument: number) => 16 + 8 * argument;

/** SECCOMP_RET_… of linux/seccomp.h. */
const RETURN = { allow: 0x7fff_0000, errno: 0x0005_0000, killProcess: 0x8000_0000 } as const;
/** What a tracer sets to skip a call; no call, on any architecture. */
const NO_CALL = 0xffff_ffff;

type Leaf = Action | Rule;

/** Calls from `start` up to the next range's start. */
interface Range {
  readonly start: number;
  readonly leaf: Leaf;
}

/**
 * A profile as the BPF program for one architecture: another architecture's calls (and x32) kill the process; the
 * number is then looked up by binary search over ranges, since the kernel runs the filter for every number when it is
 * installed. Pure. Deterministic: the same profile gives the same bytes.
 */
export function compile(profile: Profile, architecture: Architecture): Uint8Array {
  const statements: Statement[] = [{ op: 'load', offset: ARCH }];
  addGate(architecture.audit, 'own', result({ kind: 'kill' }), statements);
  statements.push({ op: 'load', offset: NUMBER });
  if (architecture.secondNumbering !== undefined) {
    const own = label('own numbering');
    const second = label('second numbering');
    statements.push(
      { op: 'if', test: 'atLeast', value: architecture.secondNumbering, yes: second, no: own },
      { op: 'label', label: second },
    );
    addGate(NO_CALL, 'no call', result({ kind: 'kill' }), statements);
    statements.push(result(profile.newer), { op: 'label', label: own });
  }
  const ends = new Map<number, Label>();
  addBranch(label('numbers'), rangesOf(profile, architecture), statements, ends);
  for (const [value, end] of ends) statements.push({ op: 'label', label: end }, { op: 'return', value });
  return assemble(statements);
}

/** Goes on where the accumulator is `value`; else the program ends with `otherwise`. */
function addGate(value: number, name: string, otherwise: Statement, statements: Statement[]): void {
  const [yes, no] = [label(name), label(`not ${name}`)];
  statements.push({ op: 'if', test: 'equal', value, yes, no }, { op: 'label', label: no }, otherwise, {
    op: 'label',
    label: yes,
  });
}

function label(name: string): Label {
  return { name };
}

function result(action: Action): Extract<Statement, { op: 'return' }> {
  if (action.kind === 'allow') return { op: 'return', value: RETURN.allow };
  if (action.kind === 'kill') return { op: 'return', value: RETURN.killProcess };
  return { op: 'return', value: RETURN.errno | action.errno };
}

/** Every number from 0 on belongs to exactly one range; neighbours differ. */
function rangesOf(profile: Profile, { numbers }: Architecture): readonly Range[] {
  const leaves = new Map<number, Leaf>();
  const set = (name: string, leaf: Leaf) => {
    const number = numbers[name];
    if (number !== undefined) leaves.set(number, leaf);
  };
  const allow: Action = { kind: 'allow' };
  for (const name of profile.allow) set(name, allow);
  for (const rule of profile.rules) for (const name of rule.calls) set(name, rule);
  const named = Math.max(-1, ...leaves.keys());
  for (const name of profile.extra ?? []) set(name, allow);
  const last = Math.max(named, ...leaves.keys());
  const ranges: Range[] = [];
  for (let number = 0; number <= last; number += 1) {
    const leaf = leaves.get(number) ?? (number > named ? profile.newer : profile.fallback);
    if (ranges.at(-1)?.leaf !== leaf) ranges.push({ start: number, leaf });
  }
  ranges.push({ start: last + 1, leaf: profile.newer });
  return ranges;
}

/**
 * The accumulator holds the number. Actions without conditions are jumps to `ends`, labels by what is returned: each start
 * has the kernel translate the program, and with a return of its own for each range it was twice as long.
 */
function addTree(ranges: readonly Range[], statements: Statement[], ends: Map<number, Label>): void {
  const middle = Math.ceil(ranges.length / 2);
  const value = ranges[middle]!.start;
  const halves = [ranges.slice(0, middle), ranges.slice(middle)] as const;
  const [lower, upper] = [endOf(halves[0], ends), endOf(halves[1], ends)];
  const [no, yes] = [lower ?? label(`below ${value}`), upper ?? label(`from ${value}`)];
  statements.push({ op: 'if', test: 'atLeast', value, yes, no });
  if (lower === undefined) addBranch(no, halves[0], statements, ends);
  if (upper === undefined) addBranch(yes, halves[1], statements, ends);
}

function addBranch(at: Label, ranges: readonly Range[], statements: Statement[], ends: Map<number, Label>): void {
  statements.push({ op: 'label', label: at });
  if (ranges.length > 1) addTree(ranges, statements, ends);
  else addLeaf(ranges[0]!.leaf, statements);
}

/** Where there is nothing to be decided any more. */
function endOf(ranges: readonly Range[], ends: Map<number, Label>): Label | undefined {
  const { leaf } = ranges[0]!;
  if (ranges.length > 1 || !('kind' in leaf)) return undefined;
  const { value } = result(leaf);
  const end = ends.get(value) ?? label(`return ${value}`);
  ends.set(value, end);
  return end;
}

function addLeaf(leaf: Leaf, statements: Statement[]): void {
  if ('kind' in leaf) {
    statements.push(result(leaf));
    return;
  }
  for (const { when, action } of leaf.cases) {
    const next = label('next case');
    for (const comparison of when) addComparison(comparison, next, statements);
    statements.push(result(action), { op: 'label', label: next });
  }
  statements.push(result(leaf.otherwise));
}

/** Goes on if the comparison holds, else to `next`. */
function addComparison({ argument, mask, values }: Comparison, next: Label, statements: Statement[]): void {
  statements.push({ op: 'load', offset: lowerHalfOf(argument) });
  if (mask !== undefined) statements.push({ op: 'and', mask: mask >>> 0 });
  const holds = label('holds');
  for (const [index, value] of values.entries()) {
    const other = index === values.length - 1 ? next : label('or');
    statements.push({ op: 'if', test: 'equal', value: value >>> 0, yes: holds, no: other });
    if (other !== next) statements.push({ op: 'label', label: other });
  }
  statements.push({ op: 'label', label: holds });
}
