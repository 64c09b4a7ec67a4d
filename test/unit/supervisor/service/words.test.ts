import { expect, it } from 'vitest';
import { lastWordsOf, stateInWords } from '../../../../src/supervisor/service/words.ts';
import { daemonStatus } from './status.ts';

const words = (...daemons: Parameters<typeof daemonStatus>[0][]) => stateInWords(daemons.map(daemonStatus));

it('one daemon needs no name', () => {
  expect(words({ state: 'ready' })).toBe('ready');
  expect(words({ state: 'running', statusText: 'serving 3 customers' })).toBe('running: serving 3 customers');
  expect(words({ state: 'starting', statusText: 'waits for db' })).toBe('starting: waits for db');
  expect(words({ state: 'starting', restarts: 2 })).toBe('starting again (restart 2)');
  expect(words({ state: 'degraded', reason: 'port 80: refused' })).toBe('not well: port 80: refused');
  expect(words({ state: 'stopping' })).toBe('stopping');
  expect(words({ state: 'stopped' })).toBe('stopped');
});

it('what gave up shows how the daemon ended', () => {
  const lastExit = 'ended with status 3';
  expect(words({ state: 'failed', reason: lastExit, lastExit })).toBe('failed: ended with status 3');
  expect(words({ state: 'failed', reason: 'not ready within 5s', lastExit: 'died of SIGTERM' })).toBe(
    'failed: not ready within 5s; last: died of SIGTERM',
  );
  const reason = 'started again 2 times within 10min, and ended each time';
  expect(words({ state: 'maintenance', reason, lastExit })).toBe(`gave up: ${reason}; last: ended with status 3`);
  const prevented = 'ended with status 3, which is in restart-prevent-exit-status';
  expect(words({ state: 'maintenance', reason: prevented, lastExit })).toBe(`gave up: ${prevented}`);
  expect(words({ state: 'failed', reason: 'the command is not there' })).toBe('failed: the command is not there');
});

it('several are named, those of one state together', () => {
  expect(words({ daemon: 'web' }, { daemon: 'db' })).toBe('web, db: ready');
  expect(
    words({ daemon: 'web' }, { daemon: 'db' }, { daemon: 'mail', state: 'backoff', lastExit: 'died of SIGKILL' }),
  ).toBe('web, db: ready; mail: waits to be started again: died of SIGKILL');
});

it('what was said of several can be told of each', () => {
  const said = words(
    { daemon: 'a', state: 'stopped' },
    { daemon: 'b', state: 'failed', reason: 'not ready within 5s', lastExit: 'died of SIGTERM' },
    { daemon: 'c', state: 'stopped' },
    { daemon: 'd', state: 'maintenance', reason: 'started again 2 times within 10min, and ended each time' },
  );
  expect(lastWordsOf(said, 'c')).toEqual({ state: 'stopped', reason: undefined });
  expect(lastWordsOf(said, 'b')).toEqual({ state: 'failed', reason: 'not ready within 5s; last: died of SIGTERM' });
  expect(lastWordsOf(said, 'd')).toMatchObject({ state: 'maintenance', reason: expect.stringContaining('10min') });
  expect(lastWordsOf(said, 'e')).toBeUndefined();
  expect(lastWordsOf('its supervisor was killed (signal)', 'a')).toBeUndefined();
});
