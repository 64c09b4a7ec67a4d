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

/** Put in by bundle.mjs: the first piece, and packs (all the pieces of a verb as one script) by verb. */
const ENTRY = '%ENTRY%';
const PACKS = '%PACKS%';

const modules = new Map();
/** Functions of pieces that a pack has brought. */
const packed = new Map();
/** By file, for whoever wants to know whether V8 took its cache. */
const scripts = new Map();

/** What V8 compiles; a cache fits exactly this text, so `code-cache.mjs` takes it from here. */
const sourceOf = (name) => {
  // bundle.mjs writes ASCII only, which needs no decoding.
  const code = readFileSync(join(__dirname, name), 'latin1');
  return name.endsWith('.pack') ? code : `(function (exports, require, module, __filename, __dirname) { ${code}\n})`;
};

function cacheOf(name) {
  try {
    return readFileSync(join(__dirname, `${name}.cache`));
  } catch {
    return undefined;
  }
}

function evaluate(name) {
  const script = new Script(sourceOf(name), { filename: join(__dirname, name), cachedData: cacheOf(name) });
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
  body.call(module.exports, module.exports, requirePiece, module, join(__dirname, name), __dirname);
  return module.exports;
}

/** An app that is called as a verb is may bring the wrong pack, which costs time and nothing else. */
function main(argv) {
  const verb = argv.find((word) => Object.hasOwn(PACKS, word)) ?? 'main';
  for (const [piece, body] of evaluate(PACKS[verb])) packed.set(piece, body);
  return load(ENTRY).main(argv);
}

/** `loaded`: names of the pieces that run. */
module.exports = { main, load, loaded: () => [...modules.keys()], scripts, sourceOf };
