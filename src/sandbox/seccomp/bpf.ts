/**
 * An assembler for the part of classic BPF that seccomp filters need (linux/filter.h, linux/bpf_common.h). Jumps go to
 * labels and only forward; a conditional jump reaches 255 instructions, and is helped by unconditional ones beyond.
 */

/** BPF_LD|BPF_W|BPF_ABS, BPF_ALU|BPF_AND|BPF_K, BPF_RET|BPF_K, BPF_JMP|BPF_JA and BPF_JMP|BPF_J??|BPF_K. */
export const CODE = { load: 0x20, and: 0x54, return: 0x06, jump: 0x05, equal: 0x15, atLeast: 0x35 } as const;

/** BPF_MAXINSNS: the kernel refuses longer programs. */
const MOST_INSTRUCTIONS = 4096;
const FARTHEST = 255;
const INSTRUCTION_BYTES = 8;

export interface Label {
  readonly name: string;
}

export type Statement =
  | { readonly op: 'load'; readonly offset: number }
  | { readonly op: 'and'; readonly mask: number }
  | { readonly op: 'return'; readonly value: number }
  /** Compares the accumulator, unsigned, with a constant. */
  | {
      readonly op: 'if';
      readonly test: 'equal' | 'atLeast';
      readonly value: number;
      readonly yes: Label;
      readonly no: Label;
    }
  | { readonly op: 'label'; readonly label: Label };

/**
 * The program as struct sock_filter[] (code u16, jt u8, jf u8, k u32), little-endian as x86_64 and aarch64 are.
 * @throws RangeError for a jump backwards or to a label that isn't there, or a program too long for the kernel: errors
 * of the compiler, not of anyone's input.
 */
export function assemble(statements: readonly Statement[]): Uint8Array {
  const far = new Set<Statement>();
  let places = layOut(statements, far);
  // Lengthening one jump can push another one's target out of reach, never back into it: this ends.
  for (let grown = true; grown; places = layOut(statements, far)) {
    grown = false;
    for (const statement of statements) {
      if (statement.op !== 'if' || far.has(statement)) continue;
      const here = places.start.get(statement)! + 1;
      const reach = [statement.yes, statement.no].map((label) => targetOf(places.labels, label) - here);
      if (Math.max(...reach) <= FARTHEST) continue;
      far.add(statement);
      grown = true;
    }
  }
  if (places.length > MOST_INSTRUCTIONS)
    throw new RangeError(`a BPF program of ${places.length} instructions is too long`);
  return encode(statements, far, places);
}

interface Places {
  /** Index of a statement's first instruction. */
  readonly start: ReadonlyMap<Statement, number>;
  readonly labels: ReadonlyMap<Label, number>;
  readonly length: number;
}

function layOut(statements: readonly Statement[], far: ReadonlySet<Statement>): Places {
  const start = new Map<Statement, number>();
  const labels = new Map<Label, number>();
  let length = 0;
  for (const statement of statements) {
    if (statement.op === 'label') {
      labels.set(statement.label, length);
    } else {
      start.set(statement, length);
      length += far.has(statement) ? 3 : 1;
    }
  }
  return { start, labels, length };
}

function targetOf(labels: ReadonlyMap<Label, number>, label: Label): number {
  const target = labels.get(label);
  if (target === undefined) throw new RangeError(`the BPF label ${label.name} is nowhere`);
  return target;
}

function encode(statements: readonly Statement[], far: ReadonlySet<Statement>, places: Places): Uint8Array {
  const bytes = new Uint8Array(places.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  const put = (index: number, code: number, yes: number, no: number, constant: number) => {
    const at = index * INSTRUCTION_BYTES;
    view.setUint16(at, code, true);
    view.setUint8(at + 2, yes);
    view.setUint8(at + 3, no);
    view.setUint32(at + 4, constant, true);
  };
  const distance = (label: Label, after: number) => {
    const steps = targetOf(places.labels, label) - after;
    if (steps < 0) throw new RangeError(`the BPF label ${label.name} is behind a jump to it`);
    return steps;
  };
  for (const statement of statements) {
    if (statement.op === 'label') continue;
    const index = places.start.get(statement)!;
    if (statement.op === 'load') put(index, CODE.load, 0, 0, statement.offset);
    else if (statement.op === 'and') put(index, CODE.and, 0, 0, statement.mask);
    else if (statement.op === 'return') put(index, CODE.return, 0, 0, statement.value);
    else if (far.has(statement)) {
      put(index, CODE[statement.test], 0, 1, statement.value);
      put(index + 1, CODE.jump, 0, 0, distance(statement.yes, index + 2));
      put(index + 2, CODE.jump, 0, 0, distance(statement.no, index + 3));
    } else {
      put(
        index,
        CODE[statement.test],
        distance(statement.yes, index + 1),
        distance(statement.no, index + 1),
        statement.value,
      );
    }
  }
  return bytes;
}
