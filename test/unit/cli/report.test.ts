import { describe, expect, it } from 'vitest';
import { splitWords } from '../../../src/cli/exec.ts';
import { verbOf } from '../../../src/cli/main.ts';
import { errorJson, errorText, exitStatusOf, reportedVerb, usageStatus } from '../../../src/cli/report.ts';
import { MetactlError } from '../../../src/util/error.ts';

const error = new MetactlError("can't mount /proc: EPERM", {
  code: 'EPERM',
  step: 'mount',
  path: '/proc',
  hint: 'run it as root',
});

describe('what a failure says', () => {
  it('names step and hint, and the path unless the message has it', () => {
    expect(errorText(error, false)).toBe("metactl: can't mount /proc: EPERM\n  hint: run it as root\n");
    const other = new MetactlError('it failed', { code: 'EIO', step: 'write leases', path: '/x' });
    expect(errorText(other, false)).toBe('metactl: it failed\n  step: write leases\n  path: /x\n');
  });

  it('shows a stack only with --debug', () => {
    expect(errorText(error, false)).not.toContain('report.test.ts');
    expect(errorText(error, true)).toContain('report.test.ts');
  });

  it('is JSON with --json', () => {
    expect(JSON.parse(errorJson(error))).toEqual({
      error: {
        code: 'EPERM',
        message: "can't mount /proc: EPERM",
        step: 'mount',
        path: '/proc',
        hint: 'run it as root',
      },
    });
  });

  it('is 125 where a verb passes on the status of what it runs, except 77 and 78', () => {
    expect(exitStatusOf(error, 'ps')).toBe(1);
    expect(exitStatusOf(error, 'run')).toBe(125);
    const needsRoot = new MetactlError('x', { code: 'X', exitStatus: 77 });
    expect(exitStatusOf(needsRoot, 'run')).toBe(77);
    expect(exitStatusOf(new Error('a fault'), 'exec')).toBe(125);
  });

  it('is for a service manager with run --unit: it tries again what may pass, and nothing else', () => {
    const unit = reportedVerb('run', ['run', '--unit', 'shop']);
    expect(reportedVerb('exec', ['exec', '--unit'])).toBe('exec');
    expect([usageStatus('run'), usageStatus('ps'), usageStatus(unit)]).toEqual([125, 2, 78]);
    expect(exitStatusOf(error, unit)).toBe(1);
    expect(exitStatusOf(new MetactlError('x', { code: 'X', exitStatus: 2 }), unit)).toBe(78);
  });
});

describe('the command line', () => {
  it.each([
    [['run', 'web'], 'run'],
    [['--root', '/tmp/x', '--json', 'ip', 'web'], 'ip'],
    [['--debug'], undefined],
    [[], undefined],
  ])('%j has the verb %s', (argv, verb) => {
    expect(verbOf(argv)).toBe(verb);
  });

  it('takes what follows -- as the command, options and all', () => {
    const raw = ['node', 'metactl', 'exec', 'web', 'api', '--', 'ls', '-l', '--', 'x'];
    expect(splitWords(['web', 'api', 'ls', '-l', '--', 'x'], raw)).toEqual({
      daemon: 'api',
      argv: ['ls', '-l', '--', 'x'],
    });
    expect(splitWords(['web', 'id'], ['exec', 'web', '--', 'id'])).toEqual({ daemon: undefined, argv: ['id'] });
  });

  it('wants a command', () => {
    expect(() => splitWords(['web', 'id'], ['exec', 'web', 'id'])).toThrow('exec needs a command after `--`');
    expect(() => splitWords(['web'], ['exec', 'web', '--'])).toThrow('exec needs a command after `--`');
  });
});
