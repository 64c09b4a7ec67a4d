'use strict';
/**
 * Loads the pieces of the bundle; `bundle.mjs` installs it as `dist/main.cjs`. Node's own `require` looks for each piece
 * in several places and compiles it anew at every start; here a piece is a file beside this one, compiled from V8's
 * code cache where `code-cache.mjs` left one. V8 refuses a cache of another version or with other flags; then, and
 * without one, the piece is compiled as usual. Caches lie beside the code and are trusted as it is.
 */
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { Script } = require('node:vm');

/** Put in by bundle.mjs. */
const ENTRY = '%ENTRY%';

const modules = new Map();
/** By piece, for whoever wants to know whether V8 took its cache. */
const scripts = new Map();

/** What V8 compiles; a cache fits exactly this text, so `code-cache.mjs` takes it from here. */
const wrap = (code) => `(function (exports, require, module, __filename, __dirname) { ${code}\n})`;

function cacheOf(file) {
  try {
    return readFileSync(`${file}.cache`);
  } catch {
    return undefined;
  }
}

function requirePiece(id) {
  return id.startsWith('./') ? load(id.slice(2)) : require(id);
}

function load(name) {
  const known = modules.get(name);
  if (known !== undefined) return known.exports;
  const file = join(__dirname, name);
  const script = new Script(wrap(readFileSync(file, 'utf8')), { filename: file, cachedData: cacheOf(file) });
  scripts.set(name, script);
  const module = { exports: {} };
  modules.set(name, module);
  script.runInThisContext().call(module.exports, module.exports, requirePiece, module, file, __dirname);
  return module.exports;
}

module.exports = { main: (argv) => load(ENTRY).main(argv), load, scripts, wrap };
