#!/usr/bin/env node
'use strict';
/**
 * Loads the pieces of the bundle and runs one command line. Node's own `require` looks for each piece in several places and compiles it
 * anew at every start; here a piece is a file in `dist`, and a pack is all the pieces of a verb as one script, both compiled
 * from V8's code cache where `code-cache.mjs` left one. V8 refuses a cache of another version or with other flags; then, and
 * without one, the code is compiled as usual. Caches lie beside the code and are trusted as it is.
 *
 * It is all in this file, because finding and loading a second one takes Node a millisecond.
 */
const { existsSync, readFileSync } = require('node:fs');
const { join } = require('node:path');
const { Script } = require('node:vm');

const dist = join(__dirname, '..', 'dist');
const modules = new Map();
/** Functions of pieces that a pack has brought. */
const packed = new Map();
/** By file, for whoever wants to know whether V8 took its cache. */
const scripts = new Map();

/** What V8 compiles; a cache fits exactly this text, so `code-cache.mjs` takes it from here. */
function sourceOf(name) {
  // bundle.mjs writes ASCII only. As UTF-8 it is read by one call into Node; any other encoding takes several.
  const code = textOf(join(dist, name));
  return name.endsWith('.pack') ? code : `(function (exports, require, module, __filename, __dirname) { ${code}\n})`;
}

/** An installation that was cut off, or from which somebody has removed files. `report.ts` tells it. */
function textOf(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    const hint = 'install metactl again, or build it: npm run build';
    throw Object.assign(new Error(`a file of metactl is not there: ${path}`), { code: 'METACTL_INCOMPLETE', hint });
  }
}

/**
 * V8 compares no more than the length of the source with what a cache was made from. A piece has a hash of its text in its
 * name, a pack in its first line: a cache of another one, left by an upgrade that was cut off, is never found.
 */
function cacheName(name, source) {
  const hash = name.endsWith('.pack') ? /^\/\* (\w+) \*\//.exec(source)?.[1] : undefined;
  return hash === undefined ? `${name}.cache` : `${name}.${hash}.cache`;
}

function cacheOf(name, source) {
  try {
    return readFileSync(join(dist, cacheName(name, source)));
  } catch {
    return undefined;
  }
}

function evaluate(name) {
  const source = sourceOf(name);
  const script = new Script(source, { filename: join(dist, name), cachedData: cacheOf(name, source) });
  scripts.set(name, script);
  return script.runInThisContext();
}

function requirePiece(id) {
  return id.startsWith('./') ? load(id.slice(2)) : require(id);
}

function load(name) {
  const known = modules.get(name);
  if (known !== undefined) return known.exports;
  const body = packed.get(name) ?? evaluate(name);
  const module = { exports: {} };
  modules.set(name, module);
  body.call(module.exports, module.exports, requirePiece, module, join(dist, name), dist);
  return module.exports;
}

/** The pack of the verb, else that of all verbs. An app that is called as a verb is may bring the wrong one, which only costs time. */
function main(argv) {
  if (!existsSync(join(dist, 'main.pack'))) {
    process.stderr.write(`metactl: it is not built: there is no ${join(dist, 'main.pack')}\n  hint: npm run build\n`);
    process.exitCode = 1;
    return undefined;
  }
  const verb = argv.find((word) => /^[a-z]+$/.test(word) && existsSync(join(dist, `${word}.pack`))) ?? 'main';
  const pieces = evaluate(`${verb}.pack`);
  for (const [piece, body] of pieces) packed.set(piece, body);
  return load(pieces[0][0]).main(argv);
}

/** `loaded`: names of the pieces that run. */
module.exports = { main, load, loaded: () => [...modules.keys()], scripts, sourceOf, cacheName };

if (require.main === module) main(process.argv.slice(2));
