import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { makeSite, processesWith, type Site } from './site.ts';

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

const CHILDREN = 120;
const MANY = `import os, socket, time
listener = socket.create_server(('127.0.0.1', 18700))
for i in range(1000): os.open('/dev/null', os.O_RDONLY)
for i in range(${CHILDREN}):
    if os.fork() == 0: break
time.sleep(98767)
`;
const ONE = "import socket, time; listener = socket.create_server(('127.0.0.1', 18701)); time.sleep(98767)";

/** Milliseconds of CPU time that a process has used: fields 14 and 15 of proc_pid_stat(5), in hundredths of a second. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

it('an app with many processes and descriptors does not hold up the supervisor when it is asked how it is', async () => {
  const directory = site.scratch.appDirectory('shop', { 'many.py': MANY });
  // There others listen, too: it can't be known when all that is the daemon's has been found.
  site.scratch.node(
    'shop',
    `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = host\n[daemon.many]\ncommand = /usr/bin/python3 ${directory}/many.py\n` +
      `[daemon.one]\ncommand = /usr/bin/python3 -c "${ONE}"\n`,
  );
  expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
  await expect.poll(async () => (await site.status('shop'))[0]?.tasks, { timeout: 20_000 }).toBeGreaterThan(CHILDREN);
  const pid = await site.supervisor();
  const ports = async () => (await site.status('shop')).map((one) => [one.daemon, one.ports, one.portsCut]);
  const all = [
    ['many', ['tcp 127.0.0.1:18700'], true],
    ['one', ['tcp 127.0.0.1:18701'], false],
  ];
  await expect.poll(ports, { timeout: 20_000 }).toEqual(all);
  // Of one with so much to look at nothing is looked at again for five seconds: a fresh look is among these.
  const before = cpuOf(pid);
  const begin = performance.now();
  while (performance.now() - begin < 6000) expect(await ports()).toEqual(all);
  // The questions themselves take some; all the descriptors took more than a second a look.
  const asked = cpuOf(pid) - before;
  expect((await site.metactl(['status', 'shop'])).stdout).toMatch(/^shop\/many .* 127\.0\.0\.1:18700 …$/m);
  expect(asked).toBeLessThan(1000);
});

it('and answers others meanwhile', async () => {
  const directory = site.scratch.appDirectory('shop', { 'many.py': MANY });
  site.scratch.node(
    'shop',
    `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = host\n[daemon.many]\ncommand = /usr/bin/python3 ${directory}/many.py\n`,
  );
  expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
  await expect.poll(() => processesWith(`${directory}/many.py`).length, { timeout: 20_000 }).toBeGreaterThan(CHILDREN);
  // Others listen there, too, as above.
  const stranger = createServer().listen(0, '127.0.0.1');
  const socket = connect(join(site.root, 'run/metactl/control.sock'));
  const other = connect(join(site.root, 'run/metactl/control.sock'));
  try {
    await Promise.all([once(socket, 'connect'), once(other, 'connect')]);
    const answered: string[] = [];
    const answer = async (from: Socket, verb: string) => {
      from.write(`${JSON.stringify({ v: 1, id: 1, verb })}\n`);
      await once(from, 'data');
      answered.push(verb);
    };
    // So much that is dear is looked at for the first time.
    await Promise.all([answer(socket, 'status'), answer(other, 'hello')]);
    expect(answered).toEqual(['hello', 'status']);
  } finally {
    for (const one of [socket, other]) one.destroy();
    stranger.close();
  }
});
