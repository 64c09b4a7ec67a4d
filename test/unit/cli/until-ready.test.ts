import { mkdirSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { untilReady } from '../../../src/cli/until-ready.ts';
import { upstart } from '../../../src/service/upstart.ts';
import { type ControlServer, listenControl } from '../../../src/supervisor/control/server.ts';
import { runSocket } from '../../../src/supervisor/control/sockets.ts';
import { idleRecord, type StatusRecord } from '../../../src/supervisor/control/status-record.ts';
import { EXIT, MetactlError } from '../../../src/util/error.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { scratchRoot } from '../config/root.ts';

/** How a start is waited for where the manager knows only that a supervisor runs: the real sockets, by real questions. */

const UNIT = 'metactl.shop.web';
const manager = upstart('1.13');
const servers: ControlServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** @param listed what the manager prints. */
function asking(listed: string) {
  const paths = pathsFor(scratchRoot());
  const control = { ...manager.control!, query: () => ({ argv: ['echo', listed] }) };
  const installed = manager.find([`${UNIT}.conf`], 'shop', '');
  const asked: string[] = [];
  return {
    asked,
    wait: () => untilReady(paths, { manager: { ...manager, control }, installed }, [{ daemon: 'web', unit: UNIT }]),
    async listen(status: Partial<StatusRecord>, start: () => unknown = () => ({ daemons: [] })) {
      mkdirSync(paths.runApp('shop'), { recursive: true });
      const record = { ...idleRecord({ node: 'n', app: 'shop', daemon: 'web' }), ...status };
      const handlers = {
        status: () => [record],
        async start() {
          asked.push('start');
          return await start();
        },
      };
      servers.push(await listenControl(runSocket(paths, 'shop', 'web'), { host: { peerUid: () => 0 }, handlers }));
    },
  };
}

it('waits until the supervisor listens, and says what it says', async () => {
  const late = new MetactlError('shop/web was not ready', { code: 'METACTL_NOT_READY', exitStatus: EXIT.notReady });
  const one = asking(`${UNIT} start/running, process 7`);
  const waiting = one.wait().catch((error: unknown) => error);
  await one.listen({ state: 'starting' }, () => {
    throw late;
  });
  expect(await waiting).toMatchObject({ message: late.message, code: late.code, exitStatus: EXIT.notReady });
  expect(one.asked).toEqual(['start']);
});

it('starts nothing again that has done its work, or is being restarted', async () => {
  const done = asking(`${UNIT} start/running, process 7`);
  await done.listen({ state: 'stopped', starts: { manual: 1, automatic: 0 } });
  await done.wait();
  const lost = asking(`${UNIT} start/running, process 7`);
  await lost.listen({ state: 'backoff', reason: 'ended with status 3' });
  await expect(lost.wait()).rejects.toMatchObject({
    code: 'METACTL_START_FAILED',
    message: 'shop/web is not up, but backoff: ended with status 3',
  });
  expect([...done.asked, ...lost.asked]).toEqual([]);
});

it('gives up where the manager says that the supervisor has ended', async () => {
  await expect(asking(`${UNIT} stop/waiting`).wait()).rejects.toMatchObject({
    code: 'METACTL_START_FAILED',
    message: 'shop/web is not up, but stopped',
  });
});
