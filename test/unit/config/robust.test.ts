import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inspectApp } from '../../../src/config/load.ts';
import { formatProblem } from '../../../src/config/messages.ts';
import { APP_SECTIONS } from '../../../src/config/schema/index.ts';
import { platforms } from '../../../src/platform/index.ts';
import { MetactlError } from '../../../src/util/error.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { appRoot, inspect, put } from './root.ts';

const sections = APP_SECTIONS.map(({ name }) => name.replace('*', 'web'));
const keys = [...APP_SECTIONS, ...platforms].flatMap((owner) => owner.keys.map(({ key }) => key.replace('*', 'web')));
const values = [
  '',
  '1',
  '-1',
  'yes',
  'none',
  '5s',
  '64m',
  '10%',
  'infinity',
  '/a',
  'ro',
  'jvm',
  'jetty9',
  '%(A)',
  '%(ip)',
  '%(daemon.web:nice)',
  '"',
  '\u202e',
  '0022',
  '10.0.0.1',
  'a b',
  '%(file:/etc/passwd)',
];
const line = fc.oneof(
  fc.constantFrom(...sections).map((section) => `[${section}]`),
  fc
    .record({ key: fc.constantFrom(...keys, 'A', '/srv', '__proto__'), value: fc.constantFrom(...values) })
    .map(({ key, value }) => `${key} = ${value}`),
  fc.string({ unit: fc.constantFrom('[', ']', '=', '.', 'a', ' ', '#', '%', '(', ')', '\u2028'), maxLength: 12 }),
);
const text = fc.array(line, { maxLength: 25 }).map((lines) => `${lines.join('\n')}\n`);

describe('whatever the files say', () => {
  // Each case is quick; all of them take their time on a busy machine.
  it('loading gives a configuration and problems, or a MetactlError; it is quick, and safe to print', {
    timeout: 90_000,
  }, () => {
    const root = appRoot({});
    fc.assert(
      fc.property(text, text, (application, node) => {
        put(root, 'var/lib/metactl/apps/myapp/releases/r1/.metactl', application);
        put(root, 'etc/metactl/nodes/myapp.conf', node);
        const start = performance.now();
        try {
          const { config, problems } = inspectApp(pathsFor(root), 'myapp', platforms);
          for (const daemon of config.daemons) config.environment(daemon);
          for (const problem of [...problems, ...config.warnings, ...config.unbuilt.refuse]) {
            expect(formatProblem(problem)).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028-\u202e]/);
          }
          if (problems.length === 0) config.withAddress('10.0.0.1');
        } catch (error) {
          expect(error).toBeInstanceOf(MetactlError);
        }
        expect(performance.now() - start).toBeLessThan(1000);
        expect(Object.keys(Object.prototype)).toEqual([]);
      }),
      { numRuns: 1500 },
    );
  });

  it('names that turn the line around are shown as escapes', () => {
    const { lines } = inspect({ application: '[daemon.\u202ebew]\nn\u200bice = 1\n[cron.\u202ex]\noverlap = allow\n' });
    expect(lines.sort()).toEqual([
      '.metactl:1:2: found the daemon name `\\u202ebew`, expected a lower-case letter, then up to 30 of a–z, 0–9 and -, not ending in -',
      '.metactl:2:1: found the key `n\\u200bice`, expected a key of [daemon.\\u202ebew]; did you mean `nice`?',
      '.metactl:3:2: found options for the job `\\u202ex`, expected a label of [crontab]',
    ]);
  });
});

describe('a megabyte of', () => {
  const fill = (piece: (i: number) => string) => {
    let all = '[env]\n';
    for (let i = 0; all.length < 1_040_000; i++) all += piece(i);
    return all;
  };
  it.each<[string, (i: number) => string]>([
    ['variables', (i) => `A${i} = 1\n`],
    ['references to the next', (i) => `A${i} = %(A${i + 1})\n`],
    ['references to one', (i) => `A${i} = %(A0)%(A0)\n`],
    ['unknown references', (i) => `A${i} = %(B${i})\n`],
    ['daemons', (i) => `[daemon.d${i}]\n`],
    ['daemons with variables', (i) => `[daemon.d${i}]\n[env]\nA${i} = %(daemon)\n`],
    ['unknown sections', (i) => `[section${i}]\n`],
    ['unknown keys', (i) => (i === 0 ? '[daemon.web]\n' : `key${i} = 1\n`)],
    ['forbidden keys', (i) => (i === 0 ? '[systemd.Service]\n' : 'Key = 1\n')],
    ['jobs', (i) => (i === 0 ? '[crontab]\n' : `j${i} = @daily x\n`)],
    ['options of jobs', (i) => `[cron.j${i}]\n`],
    ['clashing names', (i) => `[env]\nd${i} = 1\n[env.d${i}]\n`],
  ])('%s is refused in time', (_what, piece) => {
    const start = performance.now();
    const { problems } = inspect({ application: fill(piece) });
    expect(problems.length).toBeGreaterThan(0);
    // A second on a quiet machine; what grows with the square takes minutes.
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});
