#!/usr/bin/env node
/**
 * Bundles the command line into `dist/`: `main.cjs` plus one file per dynamic import (a verb) and per shared part.
 *
 * CommonJS starts some 5 ms faster than ESM, but esbuild splits only ESM. So this goes in two passes: split as ESM in
 * memory, then turn every piece into CommonJS. Each module so stays in exactly one file, which keeps `instanceof
 * MetactlError` true across verbs; one self-contained bundle per verb would not.
 *
 * Usage: bundle.mjs [--if-stale]
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, 'dist');
const version = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;

/** Never in the bundle: `netlink` finds its native part beside its own files. */
const EXTERNAL = ['netlink'];

/** Newest modification time below a directory or of a file, in ms; 0 where it is absent. */
function newest(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return stat?.mtimeMs ?? 0;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

function isStale() {
  const built = newest(join(out, 'main.cjs'));
  return ['src', 'package.json', 'scripts/bundle.mjs'].some((path) => newest(join(root, path)) > built);
}

/**
 * commander loads child_process (4 ms, a third of what `metactl ip` may add to the start of Node) for a kind of verb that we
 * don't have. Here it is loaded at its first use.
 */
const lazyChildProcess = {
  name: 'lazy-child-process',
  setup(build) {
    build.onLoad({ filter: /\/commander\/lib\/command\.js$/ }, ({ path }) => {
      const eager = "const childProcess = require('node:child_process');";
      const lazy = "const childProcess = { get spawn() { return require('node:child_process').spawn; } };";
      const text = readFileSync(path, 'utf8');
      if (!text.includes(eager)) throw new Error(`${path} no longer has the line \`${eager}\``);
      return { contents: text.replace(eager, lazy), loader: 'js' };
    });
  },
};

async function splitAsEsm(build) {
  const result = await build({
    absWorkingDir: root,
    entryPoints: { main: 'src/cli/main.ts' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: EXTERNAL,
    plugins: [lazyChildProcess],
    outdir: out,
    outExtension: { '.js': '.cjs' },
    chunkNames: '[name]-[hash]',
    define: { METACTL_VERSION: JSON.stringify(version) },
    legalComments: 'linked',
    write: false,
    logLevel: 'warning',
  });
  return result.outputFiles;
}

async function toCommonJs(transform, code) {
  const result = await transform(code, {
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    // `import()` of a piece becomes a late `require`: the ESM loader would cost milliseconds.
    supported: { 'dynamic-import': false },
    define: {
      'import.meta.url': '__metactlUrl',
      'import.meta.dirname': '__dirname',
      'import.meta.filename': '__filename',
    },
  });
  const usesUrl = result.code.includes('__metactlUrl');
  return (usesUrl ? `const __metactlUrl=require('node:url').pathToFileURL(__filename).href;\n` : '') + result.code;
}

/** By rename, so that a metactl that starts meanwhile never reads half a file. */
function install(path, text) {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text);
  renameSync(temporary, path);
}

if (!process.argv.includes('--if-stale') || isStale()) {
  const { build, transform } = await import('esbuild');
  const files = await splitAsEsm(build);
  mkdirSync(out, { recursive: true });
  const kept = new Set();
  // main.cjs last: what it requires is there by then, and its time says that all of it is new.
  for (const file of files.sort((a, b) => Number(a.path.endsWith('main.cjs')) - Number(b.path.endsWith('main.cjs')))) {
    kept.add(basename(file.path));
    install(file.path, file.path.endsWith('.cjs') ? await toCommonJs(transform, file.text) : file.text);
  }
  for (const name of readdirSync(out)) {
    if (!kept.has(name) && !name.endsWith('.tmp')) rmSync(join(out, name), { recursive: true, force: true });
  }
}
