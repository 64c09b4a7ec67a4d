import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';

/** Sources by their paths from the repository's root. */
export type Sources = ReadonlyMap<string, string>;

/**
 * All type declarations that can be reached from those whose name `isRoot`, each as `name: text` without comments and
 * white space: another list, and something of their shape may be another. @param isLeft what is not looked into. Pure.
 */
export function typeShapes(
  sources: Sources,
  isRoot: (name: string) => boolean,
  isLeft: (name: string) => boolean = () => false,
): string[] {
  const files = new Map([...sources].map(([path, text]) => [path, readFile(path, withoutComments(text))]));
  const found = new Map<string, string>();
  const open = [...files].flatMap(([path, { types }]) => [...types.keys()].filter(isRoot).map((name) => [path, name]));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [path, name] = next as [string, string];
    const { types, imports } = files.get(path) ?? { types: new Map(), imports: new Map() };
    const text = types.get(name);
    const elsewhere = imports.get(name);
    if (text === undefined) {
      if (elsewhere !== undefined) open.push(elsewhere);
      continue;
    }
    const key = `${path} ${name}`;
    if (found.has(key) || isLeft(name)) continue;
    found.set(key, text.replace(/\s+/g, ' '));
    for (const [word] of text.matchAll(/\b[A-Z]\w*/g)) open.push([path, word]);
  }
  return [...found].map(([key, text]) => `${key.split(' ')[1]}: ${text}`).sort();
}

/** A few letters that are others where anything of it is another. Pure. */
export function digestOf(shapes: readonly string[]): string {
  return createHash('sha256').update(shapes.join('\n')).digest('hex').slice(0, 16);
}

interface Declared {
  readonly types: Map<string, string>;
  /** Name here to file and name there. */
  readonly imports: Map<string, [string, string]>;
}

function readFile(path: string, text: string): Declared {
  const types = new Map<string, string>();
  // As biome formats them: an interface ends with a brace at the margin, a type with the first semicolon that stands in none.
  for (const [all, name] of text.matchAll(/^(?:export )?interface (\w+)[^{]*\{(?:\}|[\s\S]*?^\})/gm))
    types.set(name!, all);
  for (const [all, name] of text.matchAll(/^(?:export )?type (\w+)[^=]*=[\s\S]*?;$(?!\n[ }])/gm)) types.set(name!, all);
  const imports = new Map<string, [string, string]>();
  for (const [, names, from] of text.matchAll(/^import (?:type )?\{([^}]*)\} from '(\.[^']*)';/gm)) {
    for (const one of names!.split(',')) {
      const [, name, as] = /^(?:type )?(\w+)(?: as (\w+))?$/.exec(one.trim()) ?? [];
      if (name !== undefined) imports.set(as ?? name, [join(dirname(path), from!), name]);
    }
  }
  return { types, imports };
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}
