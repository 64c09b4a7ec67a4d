import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { judgeForward } from '../../../../src/host/linux/firewall/judge.ts';
import { readLegacy } from '../../../../src/host/linux/firewall/legacy.ts';
import { readRuleset } from '../../../../src/host/linux/firewall/read-ruleset.ts';
import { REPOSITORY } from '../../../helpers/run-metactl.ts';

/** The kernel's answers, one after the other, recorded with the rules of the fixture of that name. */
function recorded(name: string): Uint8Array[] {
  const text = readFileSync(join(REPOSITORY, 'test/fixtures/firewall', `${name}-dump.json`), 'utf8');
  return (JSON.parse(text) as string[]).map((answer) => Buffer.from(answer, 'base64'));
}

function replay(answers: readonly Uint8Array[]) {
  const left = [...answers];
  return readRuleset(() => left.shift() ?? Buffer.alloc(0));
}

function legacy(): { forward: number; entries: Buffer } {
  const text = readFileSync(join(REPOSITORY, 'test/fixtures/firewall/docker-legacy.json'), 'utf8');
  const { forward, entries } = JSON.parse(text) as { forward: number; entries: string };
  return { forward, entries: Buffer.from(entries, 'base64') };
}

describe('answers of a kernel', () => {
  it.each([
    ['ufw', 'ufw', 'dropped', 'dropped'],
    ['firewalld', 'firewalld', 'dropped', 'dropped'],
    ['plain', 'nftables', 'depends', 'depends'],
  ])('%s', (name, tool, outgoing, incoming) => {
    const forwarded = judgeForward(replay(recorded(name))!, 'eth0').filter(({ hook }) => hook === 'forward');
    expect(forwarded).toMatchObject([{ tool, outgoing, incoming, legacy: false }]);
  });

  it('are not believed in part', () => {
    const answers = recorded('ufw');
    expect(replay(answers.slice(0, 1))).toBeUndefined();
    expect(replay([answers[0]!.subarray(0, -20), answers[1]!])).toBeUndefined();
    expect(replay([Buffer.from('nonsense')])).toBeUndefined();
  });

  it('of iptables-legacy', () => {
    const ruleset = readLegacy(legacy());
    expect(ruleset.tool).toBe('Docker');
    // FORWARD with its policy, and the four chains that rules jump to, each with the RETURN that ends it.
    expect(ruleset.chains.map(({ rules }) => rules.length)).toEqual([7, 2, 3, 3, 2]);
    expect(judgeForward(ruleset, 'eth0')).toMatchObject([{ outgoing: 'dropped', incoming: 'dropped' }]);
    // To an interface of Docker's own it depends on the address.
    expect(judgeForward(ruleset, 'docker0')).toMatchObject([{ outgoing: 'depends', incoming: 'passes' }]);
  });

  it('may end anywhere', () => {
    const { forward, entries } = legacy();
    for (let length = 0; length < entries.length; length += 7) {
      expect(() => readLegacy({ forward, entries: entries.subarray(0, length) })).not.toThrow();
    }
    const dump = recorded('plain');
    for (let length = 0; length < dump[1]!.length; length += 7) {
      expect(replay([dump[0]!, dump[1]!.subarray(0, length), ...dump.slice(2)])).toBeUndefined();
    }
  });
});
