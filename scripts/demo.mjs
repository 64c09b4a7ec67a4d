#!/usr/bin/env node
/** The main job, step by step, on real input: see README. Ends with 1 if a step fails or anything is left. */
import { spawn, spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { inventory, makeLab, NETWORK, OTHER } from './demo-lab.mjs';

const repository = dirname(dirname(fileURLToPath(import.meta.url)));
const metactlFile = join(repository, 'bin/metactl.cjs');

let steps = 0;
let stopped;
// Without a handler the process would end here and leave the lab behind: the next step throws, and all is removed.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    stopped = signal;
  });
}
function throwIfStopped() {
  if (stopped !== undefined) throw new Error(`stopped by ${stopped}`);
}

function heading(text) {
  console.log(`\n== ${++steps}. ${text}\n`);
}

function show(text) {
  console.log(
    text
      .trimEnd()
      .split('\n')
      .map((line) => `  ${line}`)
      .join('\n'),
  );
}

/** A command as it would be typed. */
function typed(words) {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`)).join(' ');
}

/** Shows a command and what it prints. At most `limit` lines of it. @throws Error if it fails. */
function run(words, limit = 40) {
  const as = typed(words);
  throwIfStopped();
  console.log(`$ ${as}`);
  const [file, ...rest] = words[0] === 'metactl' ? [process.execPath, metactlFile, ...words.slice(1)] : words;
  const result = spawnSync(file, rest, { encoding: 'utf8', timeout: 60_000 });
  const text = `${result.stdout}${result.stderr}`.replaceAll('\r', '').trimEnd();
  const all = text.split('\n');
  show(all.length > limit ? [...all.slice(0, limit), `… ${all.length - limit} more lines`].join('\n') : text);
  if (result.error) throw result.error;
  if (result.status !== 0) throw new Error(`\`${as}\` ended with ${result.status ?? result.signal}`);
  return text;
}

async function until(what, seconds, check) {
  for (const end = Date.now() + seconds * 1000; ; await sleep(50)) {
    throwIfStopped();
    if (await check()) return;
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
  }
}

/** `metactl run` in the background, its output shown as it comes. */
function start(app) {
  console.log(`$ metactl run ${app} &`);
  const child = spawn(process.execPath, [metactlFile, 'run', app], { stdio: ['ignore', 'pipe', 'pipe'] });
  const state = { child, output: '', status: undefined };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      state.output += text;
      show(text);
    });
  }
  state.ended = new Promise((resolve) => {
    child.on('close', (code, signal) => {
      state.status = code ?? signal;
      resolve(state.status);
    });
  });
  return state;
}

/** What the promise comes to, or `late` after so many seconds; where it comes first, the demo's end does not wait for these. */
function within(seconds, promise, late) {
  return Promise.race([promise, sleep(seconds * 1000, late, { ref: false })]);
}

/** Only matters where a step failed: the app must not outlive the demo. */
async function stop(app) {
  if (app.status !== undefined) return;
  app.child.kill('SIGTERM');
  if ((await within(40, app.ended, 'late')) === 'late') app.child.kill('SIGKILL');
  await app.ended;
}

/** Types into a terminal: `script` makes one, as a person's ssh would. */
async function shellSession(app, lines) {
  console.log(`$ metactl shell ${app}`);
  const command = `'${process.execPath}' '${metactlFile}' shell ${app}`;
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TERM: 'dumb' },
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  const ended = new Promise((resolve) => child.on('close', resolve));
  const quiet = async () => {
    let before;
    await until('the shell to answer', 20, async () => {
      before = output.length;
      await sleep(300);
      return output.length > 0 && output.length === before;
    });
  };
  for (const line of lines) {
    await quiet();
    child.stdin.write(`${line}\n`);
  }
  const status = await within(20, ended, 'no end');
  show(output.replaceAll('\r', ''));
  if (status !== 0) {
    child.kill();
    throw new Error(`the shell ended with ${status}`);
  }
}

async function demo(root, before) {
  heading('One server, one app');
  show(`scratch root: ${root}\nanother server on the network: namespace ${OTHER}, ${NETWORK.other}`);
  process.env.METACTL_ROOT = root;
  run(['cat', `${root}/etc/metactl/metactl.conf`, `${root}/etc/metactl/nodes/webapp.conf`]);
  run(['cat', `${root}/srv/webapp/.metactl`]);
  run(['metactl', 'check', 'webapp']);
  run(['metactl', 'config', 'webapp', '--origin']);

  heading('What a start would do');
  run(['metactl', 'plan', 'webapp']);

  heading('Run it');
  const app = start('webapp');
  try {
    await until('the app to listen', 20, () => {
      if (app.status !== undefined) throw new Error(`metactl run ended with ${app.status}`);
      return app.output.includes('listening');
    });
    const address = run(['metactl', 'ip', 'webapp']);
    const page = `http://${address}/`;

    heading('Fetch a page: from this host, and from another server on the network');
    run(['curl', '-sS', '--max-time', '10', page]);
    run(['curl', '-sS', '--max-time', '10', `${page}status`]);
    run(['ip', 'netns', 'exec', OTHER, 'curl', '-sS', '--max-time', '10', `${page}status`]);

    heading('Seen from outside');
    run(['metactl', 'ps', 'webapp']);
    const namespaces = run(['ip', 'netns', 'list']);
    const own = /^(metactl-(?:[0-9a-f]{4}-)?webapp)\b/m.exec(namespaces)?.[1];
    if (own === undefined) throw new Error('the app has no network namespace');
    run(['ip', 'netns', 'exec', own, 'ip', '-br', 'address']);
    run(['ip', 'route', 'show', address]);
    run(['ip', 'neigh', 'show', 'proxy']);
    run(['cut', '-d ', '-f2,3', '/proc/self/mounts']);

    heading('Seen from inside');
    const inside = (...words) => run(['metactl', 'exec', 'webapp', '--', ...words]);
    inside('id');
    inside('hostname');
    inside('ps', '-eo', 'pid,user,args');
    inside('ip', '-br', 'address');
    inside('cat', '/etc/passwd');
    inside('cut', '-d ', '-f2,3', '/proc/mounts');
    inside('ls', `${root}/etc/metactl`, '/home', '/root');
    inside('grep', '-E', '^(Cap|NoNewPrivs|Seccomp:)', '/proc/self/status');
    inside('cat', '/sys/fs/cgroup/memory/memory.limit_in_bytes');

    heading('A shell in it, and out again');
    await shellSession('webapp', ['tty', 'id', 'ps -e', 'exit']);

    heading('Stop it');
    console.log('$ kill -TERM %1');
    app.child.kill('SIGTERM');
    const status = await within(40, app.ended, 'no end after 40 s');
    show(`metactl run ended with ${status}`);
    if (status !== 0) throw new Error('the app did not end well');
  } finally {
    await stop(app);
  }

  heading('Nothing is left');
  await showNothingLeft(before);
}

/** The kernel removes links and namespaces some time after their last user. */
async function showNothingLeft(before) {
  let left;
  const look = () => {
    const now = inventory();
    left = Object.fromEntries(
      Object.entries(now).map(([kind, names]) => [kind, names.filter((name) => !before[kind].includes(name))]),
    );
    return Object.values(left).every((names) => names.length === 0);
  };
  await until('everything to be gone', 10, look).catch(() => {});
  for (const [kind, names] of Object.entries(left)) show(`${kind}: ${names.length === 0 ? 'none' : names.join(', ')}`);
  if (!look()) throw new Error('something is left');
}

function labOrEnd() {
  try {
    return makeLab(repository);
  } catch (error) {
    console.error(`demo: ${error.message}`);
    process.exit(1);
  }
}

const lab = labOrEnd();
try {
  await demo(lab.root, inventory());
  console.log('\nThe demo is over; its scratch directory and network are removed.');
} catch (error) {
  console.error(`\ndemo: ${error.message}`);
  process.exitCode = 1;
  spawnSync(process.execPath, [metactlFile, '--root', lab.root, 'gc'], { stdio: 'ignore' });
} finally {
  try {
    lab.remove();
  } catch (error) {
    console.error(`demo: ${lab.root} can't be removed (${error.message}): try \`metactl --root ${lab.root} gc\``);
    process.exitCode = 1;
  }
}
