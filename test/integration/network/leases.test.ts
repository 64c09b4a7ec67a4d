import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readLeases } from '../../../src/host/linux/read-leases.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { makeInstallation } from '../../fixtures/native/compile.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

// Bundled first: esbuild keeps a process for the life of this one.
const installation = makeInstallation();
const program = installation.bundle('../network/taker.ts');
leakCheck();

const POOL = '10.213.8.0/24';

interface Taken {
  readonly app: string;
  readonly address: string;
  readonly uid: number;
}

/** A process that takes leases when it is told to. */
class Taker {
  readonly child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #output = '';

  constructor(program: string, root: string, apps: readonly string[]) {
    this.child = spawn(process.execPath, [program, root, POOL, ...apps], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
    });
    this.#closed = once(this.child, 'close');
  }

  async ready(): Promise<void> {
    while (!this.#output.startsWith('ready\n')) await once(this.child.stdout!, 'data');
  }

  start(): void {
    this.child.stdin!.write('go\n');
  }

  /** Resolves when it has printed so many leases. */
  async has(count: number): Promise<void> {
    while (this.#lines().length < count) await once(this.child.stdout!, 'data');
  }

  async ended(): Promise<Taken[]> {
    await this.#closed;
    return this.#lines();
  }

  #lines(): Taken[] {
    const whole = this.#output.slice('ready\n'.length, this.#output.lastIndexOf('\n') + 1);
    return whole
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Taken);
  }
}

let scratch: Scratch;
let takers: Taker[] = [];

beforeEach(() => {
  scratch = makeScratch();
});
afterEach(async () => {
  for (const taker of takers) {
    taker.child.kill('SIGKILL');
    await taker.ended();
  }
  takers = [];
  scratch.remove();
});

afterAll(() => installation.remove());

async function makeTakers(lists: readonly (readonly string[])[]): Promise<Taker[]> {
  takers = lists.map((apps) => new Taker(program, scratch.root, apps));
  for (const taker of takers) await taker.ready();
  return takers;
}

describe('leases taken by several processes at once', () => {
  it('are never given twice, and an app that all of them take has one', async () => {
    const lists = Array.from({ length: 5 }, (_, i) => [
      'shared',
      ...Array.from({ length: 4 }, (_, k) => `app${i}-${k}`),
    ]);
    const started = await makeTakers(lists);
    for (const taker of started) taker.start();
    const taken = (await Promise.all(started.map((taker) => taker.ended()))).flat();
    expect(taken).toHaveLength(25);
    const byApp = new Map<string, string>();
    for (const { app, address, uid } of taken) {
      const text = `${address} ${uid}`;
      expect(byApp.get(app) ?? text).toBe(text);
      byApp.set(app, text);
    }
    expect(byApp.size).toBe(21);
    expect(new Set([...byApp.values()].map((text) => text.split(' ')[0])).size).toBe(21);
    expect(new Set([...byApp.values()].map((text) => text.split(' ')[1])).size).toBe(21);
    const paths = pathsFor(scratch.root);
    expect(Object.keys(readLeases(paths).apps).sort()).toEqual([...byApp.keys()].sort());
    expect(statSync(paths.leases).mode & 0o777).toBe(0o600);
  });

  it('survive a taker that is killed half-way: what it had is kept, the rest can be taken', async () => {
    const apps = Array.from({ length: 40 }, (_, i) => `app${i}`);
    const [killed] = await makeTakers([apps]);
    killed!.start();
    await killed!.has(5);
    killed!.child.kill('SIGKILL');
    const had = await killed!.ended();
    expect(had.length).toBeLessThan(40);
    const kept = readLeases(pathsFor(scratch.root)).apps;
    for (const { app, address, uid } of had) expect(kept[app]).toEqual({ address, uid });
    const [next] = await makeTakers([apps]);
    next!.start();
    const all = await next!.ended();
    expect(all.slice(0, had.length)).toEqual(had);
    expect(new Set(all.map(({ address }) => address)).size).toBe(40);
    expect(readFileSync(pathsFor(scratch.root).leases, 'utf8')).toMatch(/\n$/);
  });
});
