import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type Kind, managerOf } from '../../../src/service/index.ts';
import { modelOf, scratch } from './models.ts';

/** The exported directories under the real runsv and s6-supervise. */

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null) continue;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }
});

/** A service whose program ends each time as `ending` says; it counts its starts. */
function serve(kind: Kind, supervisor: string, ending: string) {
  const directory = scratch();
  const program = join(directory, 'program');
  const count = join(directory, 'starts');
  writeFileSync(program, `#!/bin/sh\necho >> ${count}\n${ending}\n`);
  chmodSync(program, 0o755);
  const model = modelOf('[daemon.web]\ncommand = /bin/web\n');
  const own = { ...model, services: model.services.map((one) => ({ ...one, command: [program] })) };
  for (const { name, text, mode } of managerOf(kind).files(own)) {
    // Their logs would run on without s6-svscan, which keeps them.
    if (name.endsWith('/log/run')) continue;
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
    chmodSync(join(directory, name), mode);
  }
  const service = join(directory, 'metactl.shop.web');
  children.push(spawn(supervisor, [service], { stdio: 'ignore' }));
  return { service, starts: () => (existsSync(count) ? readFileSync(count, 'utf8').length : 0) };
}

async function until(what: () => boolean): Promise<void> {
  for (const end = performance.now() + 10_000; !what(); await sleep(50)) {
    if (performance.now() > end) throw new Error(`not within ten seconds: ${what}`);
  }
}

describe.each([
  ['runit', 'runsv', (service: string) => ['sv', 'status', service], /^down: .*, normally up/],
  ['s6', 's6-supervise', (service: string) => ['s6-svstat', service], /^down \(exitcode 69\).*, normally up/],
] as const)('%s', (kind, supervisor, ask, down) => {
  const status = (service: string) => {
    const [file, ...args] = ask(service);
    return spawnSync(file!, args, { encoding: 'utf8' }).stdout;
  };
  it('leaves alone what gave up', async () => {
    const { service, starts } = serve(kind, supervisor, 'exit 69');
    await until(() => down.test(status(service)));
    await sleep(2500);
    expect(starts()).toBe(1);
    expect(status(service)).toMatch(down);
  });
  it('starts a supervisor again that was killed', async () => {
    const { starts } = serve(kind, supervisor, 'kill -KILL $$');
    await until(() => starts() >= 3);
  });
});
