import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { VERBS } from '../../src/cli/verbs.ts';
import { HANDOVER_VERSION } from '../../src/supervisor/handover/document.ts';
import { REPOSITORY } from '../helpers/run-metactl.ts';
import { digestOf, typeShapes } from '../helpers/type-shapes.ts';

/** The rules of the house (CONTRIBUTING.md) that a program can check. */

const CODE = /\.(ts|mjs|cjs|cc|c|h|sh|java)$/;

function filesBelow(directory: string): string[] {
  return readdirSync(join(REPOSITORY, directory), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(REPOSITORY, join(entry.parentPath, entry.name)))
    .sort();
}

function textOf(path: string): string {
  return readFileSync(join(REPOSITORY, path), 'utf8');
}

const all = ['src', 'native', 'scripts', 'test', 'bin', '.ci'].flatMap(filesBelow);
const code = all.filter((path) => CODE.test(path) || path === '.ci/run');
const sources = filesBelow('src').filter((path) => path.endsWith('.ts'));

/** Relative imports that stay at run time, static and dynamic, as paths from the repository's root. */
function importsOf(path: string, text: string): string[] {
  const found = text.matchAll(/\b(import|export)\s*(type\b|\()?(?:[^;'()]*\bfrom\s*)?\s*'(\.{1,2}\/[^']+)'/g);
  return [...found]
    .filter((match) => match[2] !== 'type')
    .map((match) => relative(REPOSITORY, resolve(REPOSITORY, dirname(path), match[3]!)));
}

/** What the files of a room may import, beside their own room and types. Arrows go down only. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  cli: ['supervisor', 'service', 'sandbox', 'platform', 'config', 'host', 'util'],
  supervisor: ['sandbox', 'platform', 'config', 'host', 'util'],
  service: ['platform', 'config', 'host', 'util'],
  sandbox: ['platform', 'config', 'host', 'util'],
  platform: ['config', 'util'],
  config: ['util'],
  host: ['util'],
  util: [],
};

const room = (path: string): string => path.split('/')[1]!;

test('no file is longer than 400 lines', () => {
  const long = code.filter((path) => textOf(path).split('\n').length > 401);
  expect(long).toEqual([]);
});

test('no marks of unfinished work', () => {
  const marks = new RegExp(`\\b(?:${['TO', 'DO|FIX', 'ME|X', 'XX'].join('')})\\b`);
  expect(code.filter((path) => marks.test(textOf(path)))).toEqual([]);
});

test('no skipped, todo or focused tests', () => {
  const skipping = /\b(?:test|it|describe)\.(?:skip|todo|only|skipIf|runIf)\b|\.skip\(/;
  const tests = code.filter((path) => path.endsWith('.test.ts') && path !== 'test/unit/house.test.ts');
  expect(tests.length).toBeGreaterThan(5);
  expect(tests.filter((path) => skipping.test(textOf(path)))).toEqual([]);
});

test('imports are found, and types told apart', () => {
  const text = `import { a } from './a.ts';
import type { T } from './t.ts';
export * from '../util/b.ts';
import {
  type U,
  d,
} from './d.ts';
const c = await import('./c.ts');`;
  expect(importsOf('src/cli/x.ts', text)).toEqual(['src/cli/a.ts', 'src/util/b.ts', 'src/cli/d.ts', 'src/cli/c.ts']);
});

test('imports go down only', () => {
  const wrong = sources.flatMap((path) =>
    importsOf(path, textOf(path))
      .filter((target) => room(target) !== room(path) && !(MAY_IMPORT[room(path)] ?? []).includes(room(target)))
      .map((target) => `${path} imports ${target}`),
  );
  expect(wrong).toEqual([]);
});

test('a backend is reached through the interface only', () => {
  const wrong = sources.flatMap((path) =>
    importsOf(path, textOf(path))
      .filter((target) => /^src\/host\/(?:linux|solaris)\//.test(target) && !path.startsWith('src/host/'))
      .map((target) => `${path} imports ${target}`),
  );
  expect(wrong).toEqual([]);
});

test('only the backends know the operating system', () => {
  const readers = sources.filter((path) => /process\.platform|\bplatform\(\)\s*===/.test(textOf(path)));
  expect(readers.filter((path) => !path.startsWith('src/host/'))).toEqual([]);
});

test('only the command line prints or exits', () => {
  const printing = /console\.|process\.exit\b|process\.exitCode|process\.std(?:out|err)\.write/;
  const wrong = sources.filter((path) => !path.startsWith('src/cli/') && printing.test(textOf(path)));
  expect(wrong).toEqual([]);
});

test('no program is run through a shell', () => {
  const shelling = /\bexecSync\(|\bexec\(\s*[`'"]|shell:\s*true/;
  expect(sources.filter((path) => shelling.test(textOf(path)))).toEqual([]);
});

test('file names are kebab-case', () => {
  const wrong = sources.filter((path) => !/^[a-z0-9-]+\.ts$/.test(path.split('/').at(-1)!));
  expect(wrong).toEqual([]);
});

/** Of all that one metactl hands over to the next (`reexec`). */
const HANDED_OVER = { version: 11, digest: 'e03598ed25e2673c' };

test('what is handed over has another version where its shape is another', () => {
  const shapes = typeShapes(
    new Map(sources.map((path) => [path, textOf(path)])),
    (name) => /^Handed|^Handover$/.test(name),
    // Left out before it is written, or made anew.
    (name) => name === 'Host' || name === 'Paths' || name === 'LineMatcher',
  );
  // Some that must be among them.
  for (const name of ['HandedApp', 'HandedLosses', 'MountStep', 'Model']) {
    expect(shapes.some((shape) => shape.startsWith(`${name}: `))).toBe(true);
  }
  const found = { version: HANDOVER_VERSION, digest: digestOf(shapes) };
  const hint = 'a running metactl of the version before could not read it: raise HANDOVER_VERSION, then put both here';
  expect(found, hint).toEqual(HANDED_OVER);
});

test('types are found through what they are made of', () => {
  const sources = new Map([
    [
      'src/a.ts',
      "import { type B as C, x } from './b.ts';\nexport interface Handed {\n  /** D */\n  c: C[];\n}\ninterface No {\n  a: 1;\n}\n",
    ],
    ['src/b.ts', "export type B =\n  | { readonly a: 1; b: E }\n  | 'x';\ntype E = 1;\ntype D = 2;\nconst x = 1;\n"],
  ]);
  const shapes = typeShapes(sources, (name) => name === 'Handed');
  expect(shapes).toEqual([
    "B: export type B = | { readonly a: 1; b: E } | 'x';",
    'E: type E = 1;',
    'Handed: export interface Handed { c: C[]; }',
  ]);
});

test('the README has a line for every verb', () => {
  const readme = textOf('README.md');
  expect(Object.keys(VERBS).filter((verb) => !readme.includes(`| \`${verb}`))).toEqual([]);
});

test('no file holds the marks of a merge that was not finished', () => {
  const texts = [...all.filter((path) => CODE.test(path)), ...filesBelow('docs')];
  for (const name of readdirSync(REPOSITORY)) if (/\.(md|json|ts|gyp)$/.test(name)) texts.push(name);
  const marked = texts.filter((path) => /^(<{7} |={7}$|>{7} )/m.test(textOf(path)));
  expect(marked).toEqual([]);
});
