import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Driven, decide, drive, drivenBy } from '../../../src/service/drive.ts';
import type { Control, UnitState } from '../../../src/service/manager.ts';
import { systemd } from '../../../src/service/systemd.ts';
import type { MetactlError } from '../../../src/util/error.ts';
import { lines, scratch } from './models.ts';

const control = systemd.control!;
const [DB, WEB, TARGET] = ['metactl.shop.db.service', 'metactl.shop.web.service', 'metactl.shop.target'];
const driven = (more: Partial<Control> = {}): Driven => ({
  manager: { ...systemd, control: { ...control, ...more } },
  installed: systemd.find([DB, WEB, TARGET], 'shop', ''),
});
const states = (db: UnitState['state'], web: UnitState['state']): UnitState[] => [
  { unit: DB, state: db },
  { unit: WEB, state: web },
];

describe('what a verb is for units as they are', () => {
  const told = (verb: 'start' | 'stop' | 'restart', now: UnitState[], daemon?: string, wait = true) => {
    const decision = decide(verb, driven(), daemon, wait, now);
    return (
      decision && {
        steps: lines(decision.steps),
        done: decision.outcome.map((one) => `${one.daemon} ${one.done}`),
      }
    );
  };
  it('starts those that are not up', () => {
    expect(told('start', states('running', 'failed'))).toEqual({
      steps: [`systemctl start ${TARGET} ${WEB}`],
      done: ['db was running', 'web is up'],
    });
    expect(told('start', states('running', 'running'))).toEqual({
      steps: [],
      done: ['db was running', 'web was running'],
    });
    expect(told('start', states('stopped', 'stopped'), 'db', false)).toEqual({
      steps: [`systemctl --no-block start ${DB}`],
      done: ['db is being started'],
    });
  });
  it('stops and restarts those that run, or are about to', () => {
    expect(told('stop', states('starting', 'failed'))).toEqual({
      steps: [`systemctl stop ${TARGET} ${DB}`],
      done: ['db is stopped'],
    });
    expect(told('restart', states('running', 'running'))).toEqual({
      steps: [`systemctl restart ${DB} ${WEB}`],
      done: ['db is up again', 'web is up again'],
    });
    expect(told('stop', states('stopped', 'failed'))).toBeUndefined();
    expect(told('restart', states('stopped', 'running'), 'db')).toBeUndefined();
  });
  it('takes along what depends on it, and waits for that, too', () => {
    const [, ...rest] = control.states(
      `Id=${DB}\nActiveState=active\n\nId=${WEB}\nActiveState=active\nRequires=${DB} x.slice`,
    );
    const now = [{ unit: DB, state: 'running' as const }, ...rest];
    expect(told('restart', now, 'db')).toEqual({
      steps: [`systemctl restart ${DB} ${WEB}`],
      done: ['db is up again', 'web is up again'],
    });
    expect(told('stop', now, 'db')).toEqual({
      steps: [`systemctl stop ${DB} ${WEB}`],
      done: ['db is stopped', 'web is stopped'],
    });
    expect(told('stop', now, 'web')?.done).toEqual(['web is stopped']);
    expect(decide('restart', driven(), 'db', true, now)?.up).toEqual([DB, WEB]);
    const down = [
      { unit: DB, state: 'running' as const },
      { unit: WEB, state: 'stopped' as const, needs: [DB] },
    ];
    expect(told('restart', down, 'db')?.done).toEqual(['db is up again']);
  });
});

/** systemctl as it would answer: its own words, by a real program. */
function answering(after: string, status: number, db = 'active', words = 'Job failed.'): Driven {
  const told = join(scratch(), 'told');
  const show = (web: string) => `Id=${DB}\nActiveState=${db}\n\nId=${WEB}\n${web}\n`;
  writeFileSync(told, show('ActiveState=inactive'));
  return driven({
    query: () => ({ argv: ['cat', told] }),
    start: () => [
      {
        argv: [
          'sh',
          '-c',
          'printf %s "$1" > "$2"; echo "$4" >&2; exit "$3"',
          'sh',
          show(after),
          told,
          `${status}`,
          words,
        ],
      },
    ],
  });
}

describe('drive', () => {
  it('tells which units are not up, and why', async () => {
    const failed = 'ActiveState=failed\nResult=exit-code\nExecMainStatus=69\nStatusText=web: gave up after 5 restarts';
    const error = (await drive('start', answering(failed, 1), undefined, true).catch(
      (e: unknown) => e,
    )) as MetactlError;
    expect([error.message, error.code, error.exitStatus]).toEqual([
      'shop/web is not up, but failed: web: gave up after 5 restarts',
      'METACTL_START_FAILED',
      1,
    ]);
    expect(error.hint).toContain('metactl why shop');
  });
  it('does not take the success of the supervisor for the reason', async () => {
    const failed = 'ActiveState=failed\nResult=exit-code\nExecMainStatus=0\nStatusText=';
    await expect(drive('start', answering(failed, 1), 'web', true)).rejects.toThrow(
      /^shop\/web is not up, but failed: a control process of its unit failed$/,
    );
  });
  it('tells a start that took too long by its own status', async () => {
    const late = 'ActiveState=activating\nSubState=auto-restart\nResult=timeout\nStatusText=';
    const error = (await drive('start', answering(late, 1), undefined, true).catch((e: unknown) => e)) as MetactlError;
    expect([error.message, error.code, error.exitStatus]).toEqual([
      'shop/web is not up, but starting: timeout',
      'METACTL_NOT_READY',
      5,
    ]);
  });
  it('keeps the words of the manager where its units have none', async () => {
    const told = async (...about: Parameters<typeof answering>) => {
      const error = await drive('start', answering(...about), 'web', true).catch((e: unknown) => e);
      const { message, hint } = error as MetactlError;
      return { lines: message.split('\n').filter((line) => !line.startsWith('sh -c')), message, hint };
    };
    const down = 'ActiveState=inactive';
    const masked = await told(down, 1, 'active', `Failed to start ${WEB}: Unit ${WEB} is masked.`);
    expect(masked.message).toContain(`Unit ${WEB} is masked.`);
    expect(masked.hint).toBe(`somebody has masked it; systemctl unmask ${WEB} lets it be started again`);
    const failed = 'failed\nResult=exit-code\nExecMainStatus=69\nStatusText=failed: ended with status 3';
    const dependent = await told(down, 1, failed, `A dependency job for ${WEB} failed.`);
    expect(dependent.lines.slice(0, 2)).toEqual([
      'shop/web is not up, but stopped',
      'shop/db is failed: failed: ended with status 3',
    ]);
    expect(dependent.message).toContain(`A dependency job for ${WEB} failed.`);
  });
  it('waits for the end of what is about to fail, and tells why', async () => {
    const driven = answering('ActiveState=deactivating', 1);
    const { query } = driven.manager.control;
    const [, told = ''] = query(driven.installed).argv;
    setTimeout(() => {
      // At once: what is only half there is another answer.
      writeFileSync(`${told}.new`, `Id=${WEB}\nActiveState=failed\nStatusText=failed: ended with status 3\n`);
      renameSync(`${told}.new`, told);
    }, 500);
    await expect(drive('start', driven, 'web', true)).rejects.toThrow(
      /^shop\/web is not up, but failed: failed: ended with status 3$/,
    );
  });
  it('takes nothing for up that the manager does not tell of', async () => {
    const driven = answering('ActiveState=active', 0);
    const [, told = ''] = driven.manager.control.query(driven.installed).argv;
    const forgetful = { ...driven, manager: { ...driven.manager, control: { ...driven.manager.control } } };
    forgetful.manager.control.start = () => [{ argv: ['cp', '/dev/null', told] }];
    await expect(drive('start', forgetful, 'web', true)).rejects.toThrow(
      /^shop\/web is not up, but stopped: the service manager does not know its unit$/,
    );
  });
  it('passes on what the manager itself says', async () => {
    const up = 'ActiveState=active';
    expect(await drive('start', answering(up, 0), undefined, true)).toEqual([
      { app: 'shop', daemon: 'db', done: 'was running' },
      { app: 'shop', daemon: 'web', done: 'is up' },
    ]);
    const warned: string[] = [];
    const warn = (line: string) => warned.push(line);
    expect(await drive('start', answering(up, 1), 'web', true, warn)).toEqual([
      { app: 'shop', daemon: 'web', done: 'is up' },
    ]);
    expect(warned.join('\n')).toMatch(/: Job failed\.$/);
    await expect(drive('start', answering(up, 1), 'web', false)).rejects.toThrow(/: Job failed\.$/);
  });
  it('waits for what the manager tries again', async () => {
    const driven = answering('ActiveState=activating\nSubState=auto-restart\nResult=exit-code', 1);
    const { query } = driven.manager.control;
    const [, told = ''] = query(driven.installed).argv;
    setTimeout(() => writeFileSync(told, `Id=${WEB}\nActiveState=activating\nSubState=start\nResult=success\n`), 400);
    setTimeout(() => writeFileSync(told, `Id=${WEB}\nActiveState=active\n`), 900);
    expect(await drive('start', driven, 'web', true)).toEqual([{ app: 'shop', daemon: 'web', done: 'is up' }]);
  });
  it('tells what was not ready in time apart from what waits for it', async () => {
    const db =
      'activating\nSubState=auto-restart\nResult=timeout\nStatusText=stopped\nTimeoutStartUSec=8s\n' +
      'ExecMainStartTimestampMonotonic=5000000\nActiveEnterTimestampMonotonic=0';
    for (const daemon of [undefined, 'web']) {
      const down = `ActiveState=inactive\nResult=success\nRequires=${DB} x.slice`;
      const error = await drive('start', answering(down, 1, db), daemon, true).catch((e: unknown) => e);
      const { message, code, exitStatus } = error as MetactlError;
      expect([code, exitStatus]).toEqual(['METACTL_NOT_READY', 5]);
      expect(message).toContain('starting: not ready in time (TimeoutStartSec=8s)');
      expect(message).toContain('shop/web is not up, but stopped');
    }
  });
});

it('only what is installed is driven', () => {
  const directory = scratch();
  const manager = { ...systemd, directory, control };
  expect(drivenBy(manager, 'shop', '')).toBeUndefined();
  expect(drivenBy(undefined, 'shop', '')).toBeUndefined();
  writeFileSync(join(directory, WEB), '');
  expect(drivenBy(manager, 'shop', '')?.installed.units).toEqual([{ daemon: 'web', unit: WEB }]);
});
