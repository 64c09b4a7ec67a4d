#!/usr/bin/env node
/**
 * Writes V8's code cache for each piece and pack of the bundle. Left to itself V8 compiles a function when it is first called,
 * which takes 8 ms of `metactl config` and 20 ms of `metactl run`: every function is compiled into the cache. Reading that back
 * takes its time too, so the packs of verbs that can be tried here (they change nothing, and need no root) hold
 * only what an ordinary call of theirs needs. `run` can't be tried, so what it needs was recorded (`record-run.cjs`).
 *
 * Usage: code-cache.mjs DIST [--try PACK WORD... | --named PACK LIST]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';
import { compileNamed } from './compile-named.mjs';

const dist = resolve(process.argv[2] ?? 'dist');
const bundle = createRequire(import.meta.url)(join(dist, '../bin/metactl.cjs'));

/** The app that verbs are tried with. */
const FILES = {
  'etc/metactl/metactl.conf': '[network]\npool = 192.0.2.0/24\n',
  'etc/metactl/nodes/shop.conf':
    '[app]\ndirectory = /usr\n[daemon.web]\ncommand = ./web --port %(port)\nmemory-max = 64m\n[env]\nport = 80\n',
  'var/lib/metactl/leases.json': '{"version":1,"apps":{"shop":{"address":"192.0.2.1"}}}',
};
const TRIED = { ip: ['ip', 'shop'], config: ['config', 'shop'], status: ['status'] };
/** What these packs hold: the functions of a list, from one that was tried as root. One that is missing is compiled when it is called. */
const NAMED = { run: 'run-functions.txt' };
/** Where the native part is built later, what needs it can't be tried. */
const NEEDS_NATIVE = new Set(['status']);
const hasNative = existsSync(join(dist, '../build/Release/metactl.node'));

/** What a supervisor answers to `status`, where they are tried. */
const RECORD = {
  ...{
    node: 'here',
    app: 'shop',
    daemon: 'web',
    state: 'running',
    ready: true,
    restarts: 0,
    reason: null,
    statusText: null,
  },
  ...{
    since: '2026-01-01T00:00:00.000Z',
    ageMs: 100_000,
    uptimeMs: 100_000,
    pid: 4711,
    lastExit: null,
    nextRetry: null,
  },
  ...{ memory: 1 << 20, cpuUsec: 1000, tasks: 2, ip: '192.0.2.1', ip6: null, ports: ['tcp 0.0.0.0:80'], changed: [] },
};
const ANSWER = `${JSON.stringify({ v: 1, id: 1, result: [RECORD, { ...RECORD, daemon: 'other', ports: [] }] })}\n`;

/** A cache tells with which flags it was made, and V8 refuses it under others: they are changed for the compilation only. */
function compileAll(source, filename) {
  setFlagsFromString('--no-lazy');
  try {
    return new Script(source, { filename });
  } finally {
    setFlagsFromString('--lazy');
  }
}

function writeCache(name, cache) {
  const file = join(dist, name);
  const source = bundle.sourceOf(name);
  if (new Script(source, { filename: file, cachedData: cache }).cachedDataRejected) {
    throw new Error(`V8 refuses the code cache of ${name} that it has just made`);
  }
  const temporary = join(dist, `${name}.${process.pid}.tmp`);
  // To the disk first: after a power cut V8 would take half a cache for a whole one, and crash.
  const fd = openSync(temporary, 'w');
  writeFileSync(fd, cache);
  fsyncSync(fd);
  closeSync(fd);
  renameSync(temporary, join(dist, bundle.cacheName(name, source)));
}

async function writeAll() {
  const root = mkdtempSync(join(tmpdir(), 'metactl-build-'));
  try {
    for (const [path, text] of Object.entries(FILES)) {
      mkdirSync(dirname(join(root, path)), { recursive: true, mode: 0o700 });
      writeFileSync(join(root, path), text, { mode: 0o600 });
    }
    const supervisor = await supervise(join(root, 'run/metactl'));
    for (const name of readdirSync(dist)) {
      if (!/\.(?:cjs|pack)$/.test(name)) continue;
      const source = bundle.sourceOf(name);
      if (/[^\0-\x7f]/.test(source)) throw new Error(`${name} is not ASCII`);
      const verb = name.endsWith('.pack') ? name.slice(0, -'.pack'.length) : '';
      const words = NEEDS_NATIVE.has(verb) && !hasNative ? undefined : TRIED[verb];
      if (words !== undefined) await inOwnProcess('--try', name, '--root', root, ...words);
      else if (NAMED[verb] !== undefined) await inOwnProcess('--named', name, NAMED[verb]);
      else writeCache(name, compileAll(source, join(dist, name)).createCachedData());
    }
    supervisor.close();
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Stands for a supervisor. A verb must end well here: what it prints is its own business. */
async function supervise(directory) {
  mkdirSync(directory, { recursive: true });
  const server = createServer((socket) => socket.once('data', () => socket.end(ANSWER)));
  server.listen(join(directory, 'control.sock'));
  await once(server, 'listening');
  return server;
}

/** In which only what is asked for is compiled. */
async function inOwnProcess(...words) {
  const stdio = ['ignore', 'ignore', 'inherit'];
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), dist, ...words], { stdio });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`code-cache.mjs ${words.join(' ')} ended with ${code}`);
}

async function tryVerb(pack, words) {
  await bundle.main(words);
  if (process.exitCode) throw new Error(`metactl ${words.join(' ')} ended with ${process.exitCode}`);
  writeCache(pack, bundle.scripts.get(pack).createCachedData());
}

function compileList(pack, list) {
  const names = readFileSync(join(dirname(fileURLToPath(import.meta.url)), list), 'utf8')
    .trim()
    .split('\n');
  writeCache(pack, compileNamed(bundle.sourceOf(pack), join(dist, pack), new Set(names)).createCachedData());
}

const [mode, pack, ...words] = process.argv.slice(3);
if (mode === '--try') await tryVerb(pack, words);
else if (mode === '--named') compileList(pack, words[0]);
else await writeAll();
