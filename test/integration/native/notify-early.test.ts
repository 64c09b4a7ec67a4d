import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { openNotifySocket } from '../../../src/host/linux/notify-socket.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { REPOSITORY } from '../../helpers/run-metactl.ts';
import { makeScratch } from '../../helpers/scratch.ts';

leakCheck();

it('what the next run says before its supervisor knows of it is heard then', async () => {
  const scratch = makeScratch();
  const path = join(scratch.root, 'notify/socket');
  const socket = openNotifySocket(path, '/not-there');
  const before = spawn('/bin/sleep', ['60']);
  const heard: string[] = [];
  socket.listen(before.pid!, ({ text, problem }) => heard.push(`before: ${problem ?? text}`));
  before.kill('SIGKILL');
  await once(before, 'close');
  const program = join(REPOSITORY, 'test/fixtures/programs/notify.py');
  const words = ['/usr/bin/python3', program, 'say', 'READY=1', 'print', 'said', 'sleep', '60'];
  // A PID namespace of its own, as every run has.
  const next = spawn('/usr/bin/unshare', ['--pid', '--fork', '--kill-child', ...words], {
    env: { NOTIFY_SOCKET: path },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    await once(next.stdout, 'data');
    await sleep(100);
    expect(heard).toEqual([]);
    const pid = Number(readFileSync(`/proc/${next.pid}/task/${next.pid}/children`, 'utf8'));
    socket.listen(pid, ({ text, problem }) => heard.push(`next: ${problem ?? text}`));
    expect(heard).toEqual([]);
    await expect.poll(() => heard).toEqual(['next: READY=1']);
  } finally {
    next.kill('SIGKILL');
    await once(next, 'close');
    socket.close();
    scratch.remove();
  }
});

it('what a daemon says before anybody listens is heard then', async () => {
  const scratch = makeScratch();
  const path = join(scratch.root, 'notify/socket');
  const socket = openNotifySocket(path, '/not-there');
  const program = join(REPOSITORY, 'test/fixtures/programs/notify.py');
  const child = spawn('/usr/bin/python3', [program, 'say', 'READY=1', 'print', 'said', 'sleep', '60'], {
    env: { NOTIFY_SOCKET: path },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    await once(child.stdout, 'data');
    // Whatever is read without a listener would be read now.
    await sleep(100);
    const heard: (string | undefined)[] = [];
    socket.listen(child.pid!, ({ text }) => heard.push(text?.toString()));
    await expect.poll(() => heard).toEqual(['READY=1']);
    // The next run is listened to by the same socket.
    socket.listen(child.pid!, ({ text }) => heard.push(text?.toString()));
  } finally {
    child.kill('SIGKILL');
    await once(child, 'close');
    socket.close();
    scratch.remove();
  }
});
