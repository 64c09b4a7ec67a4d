import { describe, expect, it } from 'vitest';
import { inspectApp } from '../../../src/config/load.ts';
import { formatProblem } from '../../../src/config/messages.ts';
import { platforms } from '../../../src/platform/index.ts';
import { maskText } from '../../../src/util/mask.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { appRoot, put } from './root.ts';

/** Characters in a run. What is linear takes milliseconds for them, what is quadratic a second or more. */
const LENGTH = 100_000;
const PIECES = [
  ' ',
  '\t',
  'a',
  '1',
  '.',
  '/',
  ':',
  ',',
  '-',
  '=',
  '"',
  "'",
  '\\',
  '%',
  '%(',
  '%(A)',
  '%(B',
  '(',
  '[',
  '@',
  '&',
  '$',
];
const MIXED = [
  'a ',
  'a.',
  '/a',
  '1 ',
  '1.',
  'a=',
  'a:',
  '"a" ',
  ' ;',
  '\u00a0',
  ' \u00a0',
  '://',
  'a-',
  '://a:@',
  '\\"',
  `"'`,
  'key=',
  '%%',
];

/** Where a run may stand: `X`. */
const PLACES = [
  'env A = X',
  'env A = secretX',
  'env X = 1',
  'env aX y = 1',
  'daemon.web command = X',
  'daemon.web platform = X',
  'daemon.web X = 1',
  'daemon.web nice = X',
  'daemon.web memory-max = X',
  'daemon.web cpu-quota = X',
  'daemon.web restart-sec = X',
  'daemon.web limit-nofile = X',
  'daemon.web umask = X',
  'daemon.web working-directory = /X',
  'daemon.web kill-signal = X',
  'daemon.web success-exit-status = X',
  'daemon.web ready = X',
  'daemon.web ready = http:1/X',
  'daemon.web ready = exec:X',
  'daemon.web health = tcp:X',
  'daemon.web depends-on.X = ready',
  'daemon.web listen.a = X',
  'daemon.jetty jetty.path = X',
  'daemon.jetty jvm.options = X',
  'daemon.jetty jvm.heap.max = X',
  'crontab a = X',
  'crontab a = 1 X',
  'crontab X = @daily a',
  'sandbox.mounts /X = ro',
  'sandbox.mounts /a = X',
  'sandbox.mounts /a = from:/X',
  'firewall.out.accept a = X',
  'firewall.out.accept a = a:1X',
  'firewall.out.accept a = [X]:1',
  'X a = 1',
  'daemon.X command = a',
  'env.X A = 1',
];

describe('the time of loading', () => {
  it.each(PLACES)('is linear in the length of a run in %s', { timeout: 60_000 }, (place) => {
    const root = appRoot({});
    // Processor time: others may have the machine meanwhile.
    const [section, rest] = [place.slice(0, place.indexOf(' ')), place.slice(place.indexOf(' ') + 1)];
    for (const piece of [...PIECES, ...MIXED]) {
      for (const run of [piece.repeat(LENGTH / piece.length), `${piece.repeat(LENGTH / piece.length)}y!`]) {
        const entry = `[${section}]\n${rest}\n`.replace('X', () => run);
        const text = `[env]\nB = %(A)\n[daemon.web]\n[daemon.jetty]\nplatform = jetty9\n${entry.replace(/^\[(env|daemon\.web)\]\n/, (all) => (all === '[env]\n' ? '[env.web]\n' : all)).replace(/^\[daemon\.(web|jetty)\]\n/, '')}`;
        put(root, 'var/lib/metactl/apps/myapp/releases/r1/.metactl', text, 0o644);
        const start = process.cpuUsage();
        const { config, problems } = inspectApp(pathsFor(root), 'myapp', platforms);
        for (const daemon of config.daemons) config.environment(daemon);
        for (const problem of [...problems, ...config.warnings]) formatProblem(problem);
        for (const section of config.sections()) for (const setting of config.section(section)) maskText(setting.text);
        const took = process.cpuUsage(start).user / 1000;
        expect({ piece, took: took < 400 ? 'little' : took }).toEqual({ piece, took: 'little' });
      }
    }
  });
});
