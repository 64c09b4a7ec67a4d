#!/usr/bin/env node
/**
 * Bundles the command line into `dist/`: one piece per dynamic import (a verb) and per part that several share, and
 * packs, all that one verb loads as one script. `bin/metactl.cjs` loads both.
 *
 * CommonJS starts some 5 ms faster than ESM, but esbuild splits only ESM. So this goes in two passes: split as ESM in
 * memory, then turn every piece into CommonJS. Each module so stays in exactly one file, which keeps `instanceof
 * MetactlError` true across verbs; one self-contained bundle per verb would not.
 *
 * Usage: bundle.mjs [--if-stale]
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, 'dist');
const version = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;

/** Never in the bundle: `netlink` finds its native part beside its own files. */
const EXTERNAL = ['netlink'];

const CACHE_SOURCES = ['code-cache.mjs', 'compile-named.mjs', 'run-functions.txt'].map((name) => `scripts/${name}`);
const SOURCES = ['src', 'package.json', 'scripts/bundle.mjs', 'bin', ...CACHE_SOURCES];

/**
 * Verbs that must start quickly, with the pieces they load late but always: each gets a pack, see packsOf. The others would
 * cost a megabyte of disk each; theirs is `main`, with what every verb loads.
 */
const PACKED = {
  ip: ['src/cli/ip.ts', 'src/host/linux/addresses.ts'],
  config: ['src/cli/config.ts'],
  status: ['src/cli/status.ts', 'src/host/linux/dial.ts'],
  run: ['src/cli/run.ts', 'src/host/linux/linux.ts', 'src/host/linux/app.ts'],
  main: [],
};

/** Newest modification time below a directory or of a file, in ms; 0 where it is absent. */
function newest(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return stat?.mtimeMs ?? 0;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

function isStale() {
  const built = newest(join(out, 'main.pack'));
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

/** Options for esbuild: what `default-program.ts` wants to know, from the sources themselves. */
async function seccompPrograms(build) {
  const source = { absWorkingDir: root, entryPoints: ['src/sandbox/seccomp/index.ts'], bundle: true, format: 'esm' };
  const [{ text }] = (await build({ ...source, platform: 'node', write: false })).outputFiles;
  const { seccompProgram } = await import(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`);
  const program = (arch) => JSON.stringify(Buffer.from(seccompProgram(arch)).toString('base64'));
  return { METACTL_SECCOMP_X64: program('x64'), METACTL_SECCOMP_ARM64: program('arm64') };
}

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
    define: { METACTL_VERSION: JSON.stringify(version), ...(await seccompPrograms(build)) },
    legalComments: 'linked',
    metafile: true,
    write: false,
    logLevel: 'warning',
  });
  return { files: result.outputFiles, outputs: result.metafile.outputs };
}

/**
 * Names of the pieces of each pack, by verb. A pack holds all that a verb loads as one script: of the 60 files that `run`
 * consists of, opening, compiling and running each for itself takes longer than what they do. Pure.
 */
function packsOf(outputs) {
  const pieceOf = new Map(Object.entries(outputs).map(([path, { entryPoint }]) => [entryPoint, path]));
  const needed = (path, found) => {
    if (found.has(path)) return found;
    found.add(path);
    for (const { path: next, kind } of outputs[path].imports) {
      if (kind === 'import-statement' && outputs[next] !== undefined) needed(next, found);
    }
    return found;
  };
  return Object.entries(PACKED).map(([verb, sources]) => {
    const heads = ['src/cli/main.ts', ...sources].map((source) => pieceOf.get(source));
    if (heads.includes(undefined)) throw new Error(`one of ${sources} is no piece of the bundle`);
    const pieces = heads.reduce((found, path) => needed(path, found), new Set());
    return [verb, [...pieces].map((path) => basename(path))];
  });
}

/** Node has these loaded when it starts. */
const LOADED = new Set(['node:fs', 'node:path', 'node:events', 'node:timers']);

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

/**
 * esbuild defines what a module exports one by one, and copies all of it for programs that expect an ES module. Our pieces are
 * only for each other: an object with getters is enough, and half a millisecond faster for `metactl config`.
 */
function withPlainExports(code) {
  const exported = /^var (\w+) = \{\};\n__export\(\1, \{\n([^}]*)\n\}\);\nmodule\.exports = __toCommonJS\(\1\);$/m;
  const getters = (names) => names.replaceAll(/^ *(\w+): \(\) => (.+?)(,?)$/gm, '  get $1() { return $2; }$3');
  return code
    .replace(exported, (_, name, names) => `const ${name} = {\n${getters(names)}\n};\nmodule.exports = ${name};`)
    .replaceAll(/\b__toESM\((require\("\.\/[^"]+"\))\)/g, '$1');
}

async function toCommonJs(transform, module) {
  const result = await transform(module, {
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
  const code = withoutLeftovers(withPlainExports(result.code));
  const usesUrl = code.includes('__metactlUrl');
  const url = "const __metactlUrl = require('node:url').pathToFileURL(__filename).href;\n";
  const text = await transform(`${usesUrl ? url : ''}${loadBuiltinsLate(code)}`, SHORT);
  // Modules are strict; the pass to CommonJS does not say so.
  return `'use strict';\n${text.code}`;
}

/** Reading less takes less time and memory. Names stay, and lines are short enough for a stack trace to tell the place. */
const SHORT = { minifyWhitespace: true, lineLimit: 100, platform: 'node', target: 'node20' };

/** Takes away what is for a list of the exports, and the helpers that nothing calls any more. Pure. */
function withoutLeftovers(code) {
  const kept = code.replace(/^0 && \(module\.exports = \{[^}]*\}\);$/m, '');
  const helper = /^var (__\w+) = (?:[^\n]*;|\([^\n]*=> \{\n(?: [^\n]*\n)+\};)\n/gm;
  const used = (text, name) => text.match(new RegExp(`\\b${name}\\b`, 'g')).length > 1;
  for (let text = kept; ; ) {
    const next = text.replaceAll(helper, (whole, name) => (used(text, name) ? whole : ''));
    if (next === text) return text;
    text = next;
  }
}

/** esbuild writes ASCII but for comments. What the loader reads need not be decoded then. Pure. */
function asciiOf(code) {
  return code.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A script whose value is a list of names and functions; its first words are a hash of the rest. Pure. */
function packText(pieces) {
  const head = 'function (exports, require, module, __filename, __dirname)';
  const text = `[\n${pieces.map(([name, code]) => `[${JSON.stringify(name)}, ${head} { ${code}\n}]`).join(',\n')}]\n`;
  return `/* ${createHash('sha256').update(text).digest('hex').slice(0, 16)} */ ${text}`;
}

/** By rename, so that a metactl that starts meanwhile never reads half a file. */
function install(path, text) {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text);
  renameSync(temporary, path);
}

if (!process.argv.includes('--if-stale') || isStale()) {
  const { build, transform } = await import('esbuild');
  const { files, outputs } = await splitAsEsm(build);
  mkdirSync(out, { recursive: true });
  // Caches first: V8 compares no more than the length of the code that a cache was made from.
  for (const name of readdirSync(out)) if (name.endsWith('.cache')) rmSync(join(out, name));
  const kept = new Set();
  const code = new Map();
  for (const file of files) {
    const name = basename(file.path);
    kept.add(name);
    const text = name.endsWith('.cjs') ? asciiOf(await toCommonJs(transform, file.text)) : file.text;
    code.set(name, text);
    install(file.path, text);
  }
  // `main` last: what it loads is there by then, and its time says that all of it is new.
  for (const [verb, pieces] of packsOf(outputs)) {
    kept.add(`${verb}.pack`);
    install(join(out, `${verb}.pack`), packText(pieces.map((name) => [name, code.get(name)])));
  }
  for (const name of readdirSync(out)) {
    if (!kept.has(name) && !name.endsWith('.tmp')) rmSync(join(out, name), { recursive: true, force: true });
  }
  // By a process without our own flags and warnings, as the command line is run.
  execFileSync(process.execPath, [join(root, 'scripts/code-cache.mjs'), out], { stdio: 'inherit' });
}
