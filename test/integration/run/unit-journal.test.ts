import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Journal, startJournal } from '../../helpers/journal.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { runMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

leakCheck();

let scratch: Scratch;
let journal: Journal;

beforeEach(async () => {
  scratch = makeScratch();
  journal = await startJournal();
});
afterEach(async () => {
  await journal.close();
  await runMetactl(['gc'], { root: scratch.root });
  scratch.remove();
});

function shop(keys: string): void {
  const directory = scratch.appDirectory('shop', { 'main.sh': '#!/bin/sh\necho out; echo err >&2; exit 3\n' });
  scratch.node(
    'shop',
    `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n[daemon.main]\ncommand = ./main.sh\nrestart = no\n${keys}\n`,
  );
}

/** Standard output and error are the journal's, as systemd gives them to a service. */
const AS_A_SERVICE = [
  ...['systemd-cat', '--identifier=metactl', 'sh', '-c'],
  ...['JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@"', 'sh'],
];

const runUnit = () => journal.run(['run', '--unit', 'shop'], { root: scratch.root, via: AS_A_SERVICE });

/** All there is in the journal, once it has what the supervisor says at the end. */
async function entries(): Promise<Record<string, unknown>[]> {
  for (let round = 0; ; round++) {
    const text = await journal.program('journalctl', '--output=json', '--all', '--quiet');
    const found = text.split('\n').filter((line) => line !== '');
    const all = found.map((line) => JSON.parse(line) as Record<string, unknown>);
    if (all.some(({ MESSAGE }) => String(MESSAGE).includes('ended with status 3')) || round > 100) return all;
    await sleep(100);
  }
}

describe('a unit whose output goes to the journal', () => {
  it('writes lines there once, with fields, and its own with their severity', async () => {
    shop('');
    expect(await runUnit()).toMatchObject({ status: 69, stdout: '', stderr: '' });
    const all = await entries();
    const lines = (text: string) => all.filter(({ MESSAGE }) => MESSAGE === text);
    expect(lines('out')).toHaveLength(1);
    expect(lines('out')[0]).toMatchObject({ METACTL_APP: 'shop', METACTL_DAEMON: 'main', METACTL_STREAM: 'out' });
    expect(lines('err')).toHaveLength(1);
    expect(lines('err')[0]).toMatchObject({ METACTL_STREAM: 'err', _TRANSPORT: 'journal' });
    expect(lines('metactl: shop/main ended with status 3')[0]).toMatchObject({
      PRIORITY: '6',
      SYSLOG_IDENTIFIER: 'metactl',
    });
    const { stdout } = await journal.run(['logs', 'shop', '--raw'], { root: scratch.root });
    expect(stdout.split('\n').sort()).toEqual(['', 'err', 'out']);
  });

  it('writes to its file instead where `log.to` says so', async () => {
    shop('log.to = file');
    await runUnit();
    expect((await entries()).filter(({ MESSAGE }) => MESSAGE === 'out' || MESSAGE === 'err')).toEqual([]);
    const { stdout } = await journal.run(['logs', 'shop', '--raw'], { root: scratch.root });
    expect(stdout.split('\n').sort()).toEqual(['', 'err', 'out']);
  });

  it('passes lines through where `log.to = stdout`', async () => {
    shop('log.to = stdout');
    await runUnit();
    const [line, ...more] = (await entries()).filter(({ MESSAGE }) => MESSAGE === 'out');
    expect(line).toMatchObject({ _TRANSPORT: 'stdout', SYSLOG_IDENTIFIER: 'metactl' });
    expect(more).toEqual([]);
  });

  it('says errors as such', async () => {
    shop('nonsense = 1');
    expect((await runUnit()).status).toBe(78);
    for (let round = 0; round < 50; round++) {
      const text = await journal.program('journalctl', '--output=cat', '--priority=err', '--quiet');
      if (/^metactl: .*\n/.test(text) && text.includes('nonsense')) return;
      await sleep(100);
    }
    expect.fail('the error is not in the journal');
  });
});
