import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  extensionMessage,
  isHealthy,
  NOTHING_TOLD,
  notifyMessage,
  type Told,
  type UnitView,
} from '../../../../src/supervisor/service/messages.ts';
import { daemonStatus } from './status.ts';

const view = (changes: Partial<UnitView> = {}): UnitView => ({
  daemons: [daemonStatus({ state: 'starting' })],
  ending: false,
  reloading: false,
  note: undefined,
  ...changes,
});
const say = (before: Told, next: Partial<UnitView>) => notifyMessage(before, view(next), 42n);
const up: Told = { phase: 'up', status: 'ready' };
const ready = daemonStatus({ state: 'ready' });

/**
 * strv_split_newlines() of systemd 252 (extract_first_word() with no flags). @returns undefined where a backslash is the last
 * character: manager_dispatch_notify_fd() drops such a message.
 */
function asSystemdSplits(message: string): readonly string[] | undefined {
  const lines: string[] = [];
  let line = '';
  for (let at = 0; at < message.length; at++) {
    const c = message[at]!;
    if (c === '\\') {
      if (++at === message.length) return undefined;
      line += message[at];
    } else if (c !== '\n' && c !== '\r') line += c;
    else {
      if (line !== '') lines.push(line);
      line = '';
    }
  }
  return line === '' ? lines : [...lines, line];
}

describe('what the service manager is told', () => {
  it('is the state in words at first, and that it is up only when its daemon is ready', () => {
    const first = say(NOTHING_TOLD, {});
    expect(first).toEqual({ told: { phase: 'starting', status: 'starting' }, message: 'STATUS=starting' });
    expect(say(first.told, {}).message).toBeUndefined();
    expect(say(first.told, { daemons: [ready] })).toEqual({ told: up, message: 'READY=1\nSTATUS=ready' });
    expect(say(up, { daemons: [ready] }).message).toBeUndefined();
  });

  it('waits for all daemons; one that ended well has been up', () => {
    const starting = daemonStatus({ daemon: 'db', state: 'starting' });
    const ended = daemonStatus({ daemon: 'db', state: 'stopped', starts: { manual: 1, automatic: 0 } });
    const neverStarted = daemonStatus({ daemon: 'db', state: 'stopped', starts: { manual: 0, automatic: 0 } });
    const failed = daemonStatus({ daemon: 'db', state: 'failed' });
    const phase = (...daemons: UnitView['daemons']) => say(NOTHING_TOLD, { daemons }).told.phase;
    expect(phase(ready, starting)).toBe('starting');
    expect(phase(ready, ended)).toBe('up');
    expect(phase(ready, neverStarted)).toBe('starting');
    expect(phase(ready, failed)).toBe('starting');
    expect(phase(ended)).toBe('up');
    expect(phase()).toBe('starting');
  });

  it('is that it stays up while a daemon is started again, with the reason', () => {
    const backoff = daemonStatus({ state: 'backoff', lastExit: 'ended with status 3' });
    expect(say(up, { daemons: [backoff] })).toEqual({
      told: { phase: 'up', status: 'waits to be started again: ended with status 3' },
      message: 'STATUS=waits to be started again: ended with status 3',
    });
  });

  it('is a reload with its time, and its end', () => {
    const during = say(up, { daemons: [ready], reloading: true });
    expect(during.message).toBe('RELOADING=1\nMONOTONIC_USEC=42');
    expect(say(during.told, { daemons: [ready] }).message).toBe('READY=1');
    const itself = say(up, { daemons: [daemonStatus({ state: 'reloading' })] });
    expect(itself.message).toBe('RELOADING=1\nMONOTONIC_USEC=42\nSTATUS=reloading');
    // Before it is up there is nothing that could be loaded again.
    expect(say(NOTHING_TOLD, { reloading: true }).told.phase).toBe('starting');
  });

  it('is the end once, from which there is no way back', () => {
    const end = say(up, { daemons: [ready], ending: true });
    expect(end.message).toBe('STOPPING=1');
    expect(say(end.told, { daemons: [ready] }).message).toBeUndefined();
  });

  it('is the error where it never came to daemons', () => {
    expect(say(NOTHING_TOLD, { daemons: [], ending: true, note: 'no such\napp' }).message).toBe(
      'STOPPING=1\nSTATUS=no such\\\\napp',
    );
  });

  it('reaches a systemd that takes backslashes away, whatever an app says of itself', () => {
    const text = fc.string({ unit: fc.constantFrom('\\', 'a', '\n', '\0', ' ', '"', "'", '\x1b', 'é') });
    fc.assert(
      fc.property(fc.oneof(text, fc.string({ unit: 'binary' }), fc.constant('\\'.repeat(700))), (statusText) => {
        const daemons = [daemonStatus({ state: 'ready', statusText })];
        const { told, message } = say(NOTHING_TOLD, { daemons });
        expect(asSystemdSplits(message!)).toEqual(['READY=1', `STATUS=${told.status}`]);
        expect(Buffer.byteLength(message!)).toBeLessThan(4096);
      }),
    );
    expect(asSystemdSplits('STATUS=C:\\data\\\nREADY=1')).toEqual(['STATUS=C:data\nREADY=1']);
    expect(asSystemdSplits('READY=1\nSTATUS=C:\\')).toBeUndefined();
  });

  it('has no line that an app made up, and no more than a page', () => {
    const { message } = say(NOTHING_TOLD, { note: `READY=1\n\u202e${'é'.repeat(5000)}` });
    expect(message?.split('\n')).toHaveLength(1);
    expect(Buffer.byteLength(message!)).toBeLessThan(2000);
  });
});

describe('more time is asked for', () => {
  const starting: Told = { phase: 'starting', status: '' };
  const stopping: Told = { phase: 'stopping', status: '' };
  const extend = 'EXTEND_TIMEOUT_USEC=15000000';
  const ask = (told: Told, daemons: UnitView['daemons'], overdue = false) =>
    extensionMessage(told, view({ daemons }), overdue);

  it('in the first attempt to start only', () => {
    expect(ask(starting, [])).toBe(extend);
    expect(ask(starting, [ready, daemonStatus({ state: 'starting' })])).toBe(extend);
    expect(ask(starting, [daemonStatus({ state: 'stopping' })])).toBeUndefined();
    expect(ask(starting, [daemonStatus({ state: 'backoff' })])).toBeUndefined();
    expect(ask(starting, [daemonStatus({ state: 'starting', restarts: 1 })])).toBeUndefined();
  });

  it('while daemons use the time that they have to stop', () => {
    expect(ask(stopping, [daemonStatus({ state: 'stopping' })])).toBe(extend);
    expect(ask(stopping, [daemonStatus({ state: 'stopping' })], true)).toBeUndefined();
    expect(ask(stopping, [daemonStatus({ state: 'stopped' })])).toBeUndefined();
  });

  it('never while it is up', () => {
    expect(ask(up, [daemonStatus({ state: 'starting' })])).toBeUndefined();
  });
});

it('a daemon that is not well, and that nobody ends, keeps the sign of life back', () => {
  const health = (...states: Parameters<typeof daemonStatus>[0][]) =>
    isHealthy(view({ daemons: states.map(daemonStatus) }));
  expect(health({ state: 'ready' }, { state: 'running' })).toBe(true);
  expect(health({ state: 'ready' }, { state: 'degraded' })).toBe(false);
  // One that did not say that its reload ended may work all the same.
  expect(health({ state: 'degraded', unwell: false })).toBe(true);
  for (const state of ['starting', 'backoff', 'stopping', 'reloading', 'maintenance'] as const) {
    expect(health({ state })).toBe(true);
  }
});
