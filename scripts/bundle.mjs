#!/usr/bin/env node
/**
 * Bundles the command line into `dist/`: one piece per dynamic import (a verb) and per part that several share, and
 * `main.cjs`, which loads them.
 *
 * CommonJS starts some 5 ms faster than ESM, but esbuild splits only ESM. So this goes in two passes: split as ESM in
 * memory, then turn every piece into CommonJS. Each module so stays in exactly one file, which keeps `instanceof
 * MetactlError` true across verbs; one self-contained bundle per verb would not.
 *
 * Usage: bundle.mjs [--if-stale]
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, 'dist');
const version = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;

/** Never in the bundle: `netlink` finds its native part beside its own files. */
const EXTERNAL = ['netlink'];

const SOURCES = ['src', 'package.json', 'scripts/bundle.mjs', 'scripts/loader.cjs', 'scripts/code-cache.mjs'];

/** Newest modification time below a directory or of a file, in ms; 0 where it is absent. */
function newest(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return stat?.mtimeMs ?? 0;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

function isStale() {
  const built = newest(join(out, 'main.cjs'));
  return SOURCES.some((path) => newest(join(root, path)) > built);
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
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    define: { METACTL_VERSION: JSON.stringify(version) },
    legalComments: 'linked',
    write: false,
    logLevel: 'warning',
  });
  return result.outputFiles;
}

/** Node has these loaded when it starts. */
const LOADED = new Set(['node:fs', 'node:path', 'node:events', 'node:buffer', 'node:timers']);

/**
 * Loads built-in modules at their first use: `node:crypto` alone takes 3 ms, and most verbs reach it by a path they don't take.
 * Works on what esbuild writes for `import { x } from 'node:y'`: `var import_y = require("node:y");` and `import_y.x`.
 */
function loadBuiltinsLate(code) {
  const declaration = /^var (import_\w+) = require\("(node:[\w/]+)"\);$/gm;
  const late = [...code.matchAll(declaration)].filter(([, , module]) => !LOADED.has(module));
  return late.reduce((text, [line, name, module]) => {
    // In parentheses, or `new import_node_net.Socket()` would call `new` on the function.
    const uses = text.replace(line, '').replaceAll(new RegExp(`\\b${name}\\.`, 'g'), `(${name}()).`);
    return `let ${name}_;\nconst ${name} = () => (${name}_ ??= require("${module}"));\n${uses}`;
  }, code);
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
  const url = "const __metactlUrl = require('node:url').pathToFileURL(__filename).href;\n";
  // Modules are strict; the pass to CommonJS does not say so.
  return `'use strict';\n${usesUrl ? url : ''}${loadBuiltinsLate(result.code)}`;
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
  // Caches first: V8 compares no more than the length of the code that a cache was made from.
  for (const name of readdirSync(out)) if (name.endsWith('.cache')) rmSync(join(out, name));
  const kept = new Set(['main.cjs']);
  for (const file of files) {
    kept.add(basename(file.path));
    install(file.path, file.path.endsWith('.cjs') ? await toCommonJs(transform, file.text) : file.text);
  }
  // Last: what it loads is there by then, and its time says that all of it is new.
  const entry = [...kept].find((name) => /^main-\w+\.cjs$/.test(name));
  install(join(out, 'main.cjs'), readFileSync(join(root, 'scripts/loader.cjs'), 'utf8').replace('%ENTRY%', entry));
  for (const name of readdirSync(out)) {
    if (!kept.has(name) && !name.endsWith('.tmp')) rmSync(join(out, name), { recursive: true, force: true });
  }
  // By a process without our own flags and warnings, as the command line is run.
  execFileSync(process.execPath, [join(root, 'scripts/code-cache.mjs'), out], { stdio: 'inherit' });
}
