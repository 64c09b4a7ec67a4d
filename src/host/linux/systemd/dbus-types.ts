/** D-Bus types ("D-Bus Specification", section Type System), as far as systemd's manager needs them. */

/** A value with its type: `['au', [1, 2]]`. Types: y b u s o g, v, arrays and structs of them. */
export type Typed = readonly [signature: string, value: unknown];

export function unknownType(signature: string): RangeError {
  return new RangeError(`D-Bus type ${signature} is not known here`);
}

/** `sa(sv)u` → s, a(sv), u. Pure. */
export function splitSignature(signature: string): string[] {
  const types: string[] = [];
  for (let at = 0; at < signature.length; ) {
    const end = endOfType(signature, at);
    types.push(signature.slice(at, end));
    at = end;
  }
  return types;
}

function endOfType(signature: string, at: number): number {
  if (signature[at] === 'a') return endOfType(signature, at + 1);
  if (signature[at] !== '(') return at + 1;
  let depth = 0;
  for (let end = at; end < signature.length; end++) {
    if (signature[end] === '(') depth++;
    if (signature[end] === ')' && --depth === 0) return end + 1;
  }
  throw new RangeError(`unclosed struct in the D-Bus signature ${signature}`);
}

/** Of the first byte of a value, in bytes. Pure. */
export function alignmentOf(signature: string): number {
  const first = signature[0]!;
  if (first === '(') return 8;
  return 'ygv'.includes(first) ? 1 : 4;
}
