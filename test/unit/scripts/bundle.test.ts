import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { VERBS } from '../../../src/cli/verbs.ts';
import { seccompProgram } from '../../../src/sandbox/seccomp/index.ts';
import { REPOSITORY } from '../../helpers/run-metactl.ts';

/** A checkout of its own, so that the bundle can be broken. */
let directory: string;
let dist: string;

function pieces(): string[] {
  return readdirSync(dist).filter((name) => name.endsWith('.cjs'));
}

function textOf(name: string): string {
  return readFileSync(join(dist, name), 'utf8');
}

/** What a script that has the bundle as `bundle` prints. */
function evaluate(script: string): string {
  const code = `const bundle = require(${JSON.stringify(join(directory, 'bin/metactl.cjs'))});\n(async () => {${script}})();`;
  return execFileSync(process.execPath, ['-e', code], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'metactl-bundle-'));
  dist = join(directory, 'dist');
  for (const name of ['src', 'scripts', 'examples', 'bin', 'package.json']) {
    cpSync(join(REPOSITORY, name), join(directory, name), { recursive: true });
  }
  symlinkSync(join(REPOSITORY, 'node_modules'), join(directory, 'node_modules'));
  execFileSync(process.execPath, [join(directory, 'scripts/bundle.mjs')], { stdio: 'pipe' });
}, 60_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

test('every verb is a piece of its own, and every module is in one piece', () => {
  for (const verb of Object.keys(VERBS)) {
    expect(
      pieces().filter((name) => name.startsWith(`${verb}-`)),
      verb,
    ).not.toEqual([]);
  }
  for (const name of ['MetactlError', 'Scanner']) {
    const defining = pieces().filter((piece) =>
      new RegExp(`\\bclass ${name}\\b|\\b${name} ?= ?class\\b`).test(textOf(piece)),
    );
    expect(defining, name).toHaveLength(1);
  }
});

test('a verb loads only its own pieces', () => {
  const script = (words: string) =>
    `await bundle.main(${words}); process.exitCode = 0; console.log(JSON.stringify([...bundle.scripts.keys()]));`;
  const loaded = (words: string) => JSON.parse(evaluate(script(words)).trim().split('\n').at(-1)!) as string[];
  const help = loaded("['--version']");
  expect(help.some((name) => /^(?:run|config|load|linux)-/.test(name))).toBe(false);
  const check = loaded("['--root', '/none-such', 'check', 'none-such']");
  expect(check.some((name) => name.startsWith('check-'))).toBe(true);
  expect(check.some((name) => /^(?:run|shell|exec)-/.test(name))).toBe(false);
});

test('a verb that must start quickly is one script', () => {
  const script = `await bundle.main(['--root', '/none-such', 'ip', 'none-such']);
    process.exitCode = 0;
    console.log(JSON.stringify({ scripts: [...bundle.scripts.keys()].slice(0, 1), loaded: bundle.loaded() }));`;
  const { scripts, loaded } = JSON.parse(evaluate(script).trim().split('\n').at(-1)!);
  expect(scripts).toEqual(['ip.pack']);
  expect(loaded.some((name: string) => name.startsWith('addresses-'))).toBe(true);
});

test('the cache of a pack is not taken for another text, even of the same length', () => {
  const pack = textOf('ip.pack');
  const hash = /^\/\* (\w+) \*\//.exec(pack)![1]!;
  expect(readdirSync(dist)).toContain(`ip.pack.${hash}.cache`);
  const script = `console.log(bundle.cacheName('ip.pack', ${JSON.stringify('/* 0123456789abcdef */ []')}));`;
  expect(evaluate(script)).toBe('ip.pack.0123456789abcdef.cache\n');
});

test('the usual filter of system calls is compiled at the build, and what compiles it is no part of a start', () => {
  // Long strings go over several lines.
  const pack = textOf('run.pack').replaceAll('\\\n', '');
  for (const arch of ['x64', 'arm64']) {
    const program = Buffer.from(seccompProgram(arch)).toString('base64');
    expect(pack.split(program), arch).toHaveLength(2);
  }
  expect(pack).not.toContain('process_madvise');
  expect(pieces().some((name) => textOf(name).includes('process_madvise'))).toBe(true);
});

test('says what to do before it is built', () => {
  const empty = mkdtempSync(join(tmpdir(), 'metactl-unbuilt-'));
  try {
    cpSync(join(REPOSITORY, 'bin'), join(empty, 'bin'), { recursive: true });
    const { status, stderr } = spawnSync(process.execPath, [join(empty, 'bin/metactl.cjs'), 'ip', 'shop']);
    expect(stderr.toString()).toBe(
      `metactl: it is not built: there is no ${join(empty, 'dist/main.pack')}\n  hint: npm run build\n`,
    );
    expect(status).toBe(1);
  } finally {
    rmSync(empty, { recursive: true });
  }
});

test('tells which of its files is not there', () => {
  const file = join(dist, pieces().find((name) => name.startsWith('check-'))!);
  const text = readFileSync(file);
  const run = (...words: string[]) =>
    spawnSync(process.execPath, [join(directory, 'bin/metactl.cjs'), 'check', ...words]);
  const message = `a file of metactl is not there: ${file}`;
  const hint = 'install metactl again, or build it: npm run build';
  rmSync(file);
  try {
    const { status, stderr } = run();
    expect({ status, stderr: stderr.toString() }).toEqual({
      status: 1,
      stderr: `metactl: ${message}\n  hint: ${hint}\n`,
    });
    expect(JSON.parse(run('--json').stderr.toString())).toEqual({
      error: { code: 'METACTL_INCOMPLETE', message, hint },
    });
  } finally {
    writeFileSync(file, text);
  }
});

test('help and mistakes survive a full disk and a reader that goes away', () => {
  const bin = join(directory, 'bin/metactl.cjs');
  const full = openSync('/dev/full', 'w');
  const help = spawnSync(process.execPath, [bin, '--help'], { stdio: ['ignore', full, 'pipe'] });
  expect({ status: help.status, stderr: help.stderr.toString() }).toEqual({
    status: 1,
    stderr: "metactl: can't write the output: ENOSPC\n",
  });
  const gone = spawnSync('/bin/sh', ['-c', '"$0" "$1" --help | true', process.execPath, bin]);
  expect(gone.stderr.toString()).toBe('');
});

test('modules stay strict', () => {
  expect(pieces().filter((name) => !textOf(name).startsWith("'use strict';"))).toEqual([]);
});

test('code caches are there, are used, and are not needed', () => {
  const rejected = `bundle.load(${JSON.stringify(pieces().find((name) => name.startsWith('main-')))});
    console.log([...bundle.scripts.values()].map((script) => script.cachedDataRejected).join());`;
  expect(evaluate(rejected)).toMatch(/^(?:false,)*false\n$/);
  for (const name of readdirSync(dist)) if (name.endsWith('.cache')) writeFileSync(join(dist, name), 'not a cache');
  expect(evaluate(rejected)).toMatch(/^(?:true,)*true\n$/);
  expect(evaluate("await bundle.main(['--version'])")).toMatch(/^\d+\.\d+\.\d+\n$/);
  for (const name of readdirSync(dist)) if (name.endsWith('.cache')) rmSync(join(dist, name));
  expect(evaluate("await bundle.main(['--version'])")).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('the bundle is made anew only when a source is newer', { timeout: 180_000 }, () => {
  const made = (): number => statSync(join(dist, 'main.pack')).mtimeMs;
  const before = made();
  execFileSync(process.execPath, [join(directory, 'scripts/bundle.mjs'), '--if-stale'], { stdio: 'pipe' });
  expect(made()).toBe(before);
  writeFileSync(join(directory, 'src/util/probe-of-staleness.ts'), '');
  execFileSync(process.execPath, [join(directory, 'scripts/bundle.mjs'), '--if-stale'], { stdio: 'pipe' });
  expect(made()).toBeGreaterThan(before);
});
