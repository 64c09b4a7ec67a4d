import { describe, expect, it } from 'vitest';
import {
  type Dependencies,
  dependentsOf,
  leftOut,
  type Need,
  progress,
  requirementsOf,
  waitingOf,
  withDependents,
} from '../../../../src/supervisor/state/order.ts';
import type { DaemonState, DaemonStatus } from '../../../../src/supervisor/state/types.ts';
import { Bench } from './machine-helper.ts';

const needs = (...names: readonly string[]) => new Map(names.map((name): [string, Need] => [name, 'ready']));
const GRAPH: Dependencies = new Map([
  ['web', needs('app', 'cache')],
  ['app', needs('db')],
  ['cache', needs()],
  ['db', needs('elsewhere')],
]);

function status(state: DaemonState, more: Partial<DaemonStatus> = {}): DaemonStatus {
  return { ...new Bench().status, state, ...more };
}

describe('order', () => {
  it('goes along the dependencies in both directions', () => {
    expect([...requirementsOf(GRAPH, 'web')].sort()).toEqual(['app', 'cache', 'db']);
    expect([...requirementsOf(GRAPH, 'db')]).toEqual([]);
    expect([...dependentsOf(GRAPH, 'db')].sort()).toEqual(['app', 'web']);
    expect([...dependentsOf(GRAPH, 'web')]).toEqual([]);
    expect(leftOut(GRAPH)).toEqual([{ daemon: 'db', other: 'elsewhere' }]);
  });

  it('finds what depends on many by one look at each', () => {
    let looks = 0;
    class Counted extends Map<string, Need> {
      override keys() {
        looks++;
        return super.keys();
      }
    }
    const names = Array.from({ length: 100 }, (_, n) => `d${n}`);
    const chain: Dependencies = new Map(names.map((name, n) => [name, new Counted(needs(`d${n + 1}`))]));
    expect([...withDependents(chain, names.slice(40, 60))].sort()).toEqual(names.slice(0, 60).sort());
    expect([...withDependents(GRAPH, ['cache', 'db'])].sort()).toEqual(['app', 'cache', 'db', 'web']);
    expect([...withDependents(GRAPH, [])]).toEqual([]);
    expect(looks).toBe(names.length);
  });

  it.each<[Need, DaemonStatus, string]>([
    ['started', status('starting'), 'pending'],
    ['started', status('starting', { uptime: 5 }), 'met'],
    ['ready', status('starting', { uptime: 5 }), 'pending'],
    ['ready', status('running', { uptime: 5, ready: true }), 'met'],
    ['ready', status('backoff'), 'pending'],
    ['started', status('stopping', { uptime: 5 }), 'pending'],
    // It has done what it was there for.
    ['started', status('stopped', { done: true }), 'met'],
    ['ready', status('stopped', { done: true }), 'lost'],
    ['started', status('stopped'), 'lost'],
    // It was stopped by hand, or is known from an earlier configuration.
    ['started', status('stopped', { starts: { manual: 1, automatic: 0 } }), 'lost'],
    ['started', status('failed', { starts: { manual: 1, automatic: 0 } }), 'lost'],
    ['ready', status('maintenance'), 'lost'],
  ])('%s by %j is %s', (need, one, expected) => expect(progress(need, one)).toBe(expected));

  it('says what is waited for and what will not come by itself', () => {
    const all: Record<string, DaemonStatus> = { app: status('starting'), cache: status('maintenance') };
    expect(waitingOf(GRAPH.get('web')!, (name) => all[name])).toEqual({
      waitFor: ['app', 'cache'],
      lost: true,
      text: 'waits for app and cache, which is in maintenance',
    });
    // Of another supervisor.
    expect(waitingOf(GRAPH.get('db')!, (name) => all[name]).waitFor).toEqual([]);
  });
});
