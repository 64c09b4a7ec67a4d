import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { REPOSITORY, runMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

leakCheck();

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const DOCS = readFileSync(join(REPOSITORY, 'docs/json.md'), 'utf8');

/** The example of docs/json.md with this name. */
function documented(name: string): Json {
  const block = new RegExp(`^\`\`\`json ${name}\\n([^]*?)^\`\`\`$`, 'm').exec(DOCS)?.[1];
  if (block === undefined) throw new Error(`docs/json.md has no example \`${name}\``);
  return JSON.parse(block) as Json;
}

/** Where an answer is not as the example says. Any value may be null; lists are compared by the example's first element. */
function* differences(example: Json, found: Json, at: string): Generator<string> {
  if (found === null || example === null) return;
  if (Array.isArray(example) || Array.isArray(found)) {
    if (!Array.isArray(example) || !Array.isArray(found)) yield `${at}: one is a list`;
    else if (found.length > 0 && example.length === 0) yield `${at}: the example is empty`;
    else for (const [index, one] of found.entries()) yield* differences(example[0], one, `${at}[${index}]`);
    return;
  }
  if (typeof example !== typeof found) {
    yield `${at}: found ${typeof found}, documented ${typeof example}`;
    return;
  }
  if (typeof example !== 'object') return;
  const named = example as Record<string, Json>;
  if ('…' in named) return;
  const values = found as Record<string, Json>;
  for (const key of Object.keys(values)) {
    const wanted = named[key] ?? named[`${key}?`];
    if (!(key in named) && !(`${key}?` in named)) yield `${at}.${key}: not documented`;
    else yield* differences(wanted ?? null, values[key] ?? null, `${at}.${key}`);
  }
  for (const key of Object.keys(named)) if (!key.endsWith('?') && !(key in values)) yield `${at}.${key}: not there`;
}

const told = (name: string, found: Json) => [...differences(documented(name), found, name)];

let scratch: Scratch;
const metactl = (...args: string[]) => runMetactl(['--json', ...args], { root: scratch.root });
const answer = async (...args: string[]) => JSON.parse((await metactl(...args)).stdout) as Json;
const lines = async (...args: string[]) =>
  (await metactl(...args)).stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Json);

const NODE = `[env]
DB_PASSWORD = x
URL = http://%(app)/
[sandbox]
user-namespace = yes
[sandbox.net]
publish = 198.18.76.99:8080:80
[firewall.out]
policy = reject
[firewall.out.accept]
here = localhost:80
net = 192.0.2.0/24
gone = nowhere.invalid:1
[daemon.web]
command = /bin/bash ./run
ready = fd:3
limit-nofile = 512
log.to = file
memory-max = 64m
[daemon.job]
command = /bin/false
restart = no
`;

beforeAll(async () => {
  scratch = makeScratch();
  const run =
    'echo hello\nprintf "\\\\xff\\\\n"\necho >&3\necho x 2>/dev/null >/dev/tcp/198.51.100.1/1\nexec sleep 1000\n';
  const directory = scratch.appDirectory('shop', { run, '.metactl': '[env]\nURL = http://other/\n' });
  scratch.node('shop', `[app]\ndirectory = ${directory}\n${NODE}`);
  const { stdout } = await metactl('start', 'shop');
  expect(told('start', JSON.parse(stdout))).toEqual([]);
});
afterAll(async () => {
  await metactl('stop', 'all');
  scratch.remove();
});

describe('docs/json.md has the shape of', () => {
  it.each([
    ['ip', ['ip', 'shop']],
    ['ps', ['ps', 'shop']],
    ['status', ['status', 'shop']],
    ['why', ['why', 'shop']],
    ['plan', ['plan', 'shop']],
    ['config', ['config', 'shop']],
    ['check', ['check']],
  ] as const)('%s: %j', async (name, args) => {
    const found = await answer(...args);
    expect(told(name, found)).toEqual([]);
    expect(JSON.stringify(found)).not.toMatch(/"DB_PASSWORD":"(?!\*\*\*)/);
  });

  it('events and logs, one object a line', async () => {
    const events = await lines('events', 'shop');
    expect(events.length).toBeGreaterThan(4);
    for (const event of events) expect(told('events', event)).toEqual([]);
    const logs = await lines('logs', 'shop', 'web');
    expect(logs.length).toBeGreaterThan(1);
    for (const line of logs) expect(told('logs', line)).toEqual([]);
  });

  it('problems, new, and errors', async () => {
    expect(told('new', await answer('new', 'other'))).toEqual([]);
    scratch.node('other', '[env\n[daemon.web]\nnice = x\n');
    expect(told('check', await answer('check'))).toEqual([]);
    const failed = [await metactl('ip', 'nobody'), await metactl('ps', 'other'), await metactl('run', 'other')];
    for (const { stdout, stderr } of failed) {
      expect(stdout).toBe('');
      expect(told('error', JSON.parse(stderr))).toEqual([]);
    }
  });

  it('gc', async () => {
    const other = makeScratch();
    const run = async (...args: string[]) =>
      JSON.parse((await runMetactl(['--json', ...args], { root: other.root })).stdout);
    try {
      const directory = other.appDirectory('junk', { run: 'exec sleep 1000\n' });
      const daemon = '[daemon.main]\ncommand = /bin/bash ./run\n';
      other.node('junk', `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n${daemon}`);
      await run('start', 'junk');
      const [{ supervisor }] = await run('status', 'junk');
      process.kill(supervisor.pid, 'SIGKILL');
      await expect.poll(async () => (await run('gc', '--dry-run')).items.length).toBeGreaterThan(0);
      expect(told('gc', await run('gc', '--dry-run'))).toEqual([]);
      const found = await run('gc');
      expect(told('gc', found)).toEqual([]);
      expect(found.items.length).toBeGreaterThan(0);
    } finally {
      await runMetactl(['gc'], { root: other.root });
      other.remove();
    }
  });
});
