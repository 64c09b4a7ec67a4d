/** A classic-BPF machine with the limits that the kernel's checker sets seccomp filters, for looking at filters from outside. */

export interface Call {
  readonly number: number;
  readonly arch: number;
  /** Up to six 64-bit arguments. */
  readonly arguments?: readonly bigint[];
}

export type Verdict = 'allow' | 'kill' | { readonly errno: number };

const INSTRUCTION_BYTES = 8;
/** Loads are allowed at multiples of 4 within struct seccomp_data. */
const DATA_BYTES = 64;

interface Instruction {
  readonly code: number;
  readonly yes: number;
  readonly no: number;
  readonly constant: number;
}

export function decode(program: Uint8Array): readonly Instruction[] {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  return Array.from({ length: program.length / INSTRUCTION_BYTES }, (_, index) => {
    const at = index * INSTRUCTION_BYTES;
    return {
      code: view.getUint16(at, true),
      yes: view.getUint8(at + 2),
      no: view.getUint8(at + 3),
      constant: view.getUint32(at + 4, true),
    };
  });
}

/** @throws Error for what bpf_check_classic or seccomp_check_filter would refuse. */
export function check(program: Uint8Array): void {
  const instructions = decode(program);
  const { length } = instructions;
  if (program.length % INSTRUCTION_BYTES !== 0 || length < 1 || length > 4096)
    throw new Error(`${program.length} bytes`);
  for (const [index, { code, yes, no, constant }] of instructions.entries()) {
    const rest = length - index - 1;
    if (code === 0x15 || code === 0x35) {
      if (yes >= rest || no >= rest) throw new Error(`instruction ${index} jumps out of the program`);
    } else if (code === 0x05) {
      if (constant >= rest) throw new Error(`instruction ${index} jumps out of the program`);
    } else if (code === 0x20) {
      if (constant % 4 !== 0 || constant >= DATA_BYTES) throw new Error(`instruction ${index} loads from ${constant}`);
    } else if (code !== 0x54 && code !== 0x06) throw new Error(`instruction ${index} has code ${code}`);
  }
  if (instructions.at(-1)?.code !== 0x06) throw new Error('the program does not end with a return');
}

/** What the kernel would do with the call, and how many instructions it takes to know. */
export function run(program: Uint8Array, call: Call): { readonly verdict: Verdict; readonly steps: number } {
  const data = new DataView(new ArrayBuffer(DATA_BYTES));
  data.setUint32(0, call.number, true);
  data.setUint32(4, call.arch, true);
  data.setBigUint64(8, 0xdead_beefn, true);
  for (let index = 0; index < 6; index += 1) data.setBigUint64(16 + 8 * index, call.arguments?.[index] ?? 0n, true);
  const instructions = decode(program);
  let accumulator = 0;
  for (let index = 0, steps = 1; ; index += 1, steps += 1) {
    const { code, yes, no, constant } = instructions[index]!;
    if (code === 0x20) accumulator = data.getUint32(constant, true);
    else if (code === 0x54) accumulator = (accumulator & constant) >>> 0;
    else if (code === 0x05) index += constant;
    else if (code === 0x15) index += accumulator === constant ? yes : no;
    else if (code === 0x35) index += accumulator >= constant ? yes : no;
    else if (code === 0x06) return { verdict: verdictOf(constant), steps };
    else throw new Error(`code ${code}`);
  }
}

function verdictOf(value: number): Verdict {
  const [action, data] = [(value & 0xffff_0000) >>> 0, value & 0xffff];
  if (action === 0x7fff_0000) return 'allow';
  if (action === 0x8000_0000) return 'kill';
  if (action === 0x0005_0000) return { errno: data };
  throw new Error(`a filter returned ${value.toString(16)}`);
}
