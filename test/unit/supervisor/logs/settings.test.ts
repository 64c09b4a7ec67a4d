import { expect, test } from 'vitest';
import { describeLog, logSettings } from '../../../../src/supervisor/logs/settings.ts';
import { inspect } from '../../config/root.ts';

const day = 86_400_000;

test('a daemon that says nothing has a file that is rotated and does not fill the disk', () => {
  const { config } = inspect({ node: '[daemon.web]\ncommand = x\n' });
  const settings = logSettings(config, 'web', 'file');
  expect(settings).toEqual({
    to: 'file',
    rotation: { maxSize: 50 << 20, daily: true, maxFiles: 30, maxAge: 30 * day },
  });
  expect(logSettings(config, 'web', 'stdout').to).toBe('stdout');
  expect(describeLog(settings, '/l')).toBe('/l, rotated daily and at 52428800 bytes, 30 files or 30 days kept');
});

test('an administrator says otherwise', () => {
  const keys = 'log.to = journal\nlog.max-size = 1m\nlog.rotate = size\nlog.max-files = 0\nlog.max-age = 90s';
  const { config } = inspect({ node: `[daemon.web]\ncommand = x\n${keys}\n` });
  const settings = logSettings(config, 'web', 'file');
  expect(settings).toEqual({
    to: 'journal',
    rotation: { maxSize: 1 << 20, daily: false, maxFiles: 0, maxAge: 90_000 },
  });
  expect(describeLog(settings, '/l')).toBe('journal');
  expect(describeLog({ ...settings, to: 'stdout' }, '/l')).toBe('output of the supervisor');
  expect(describeLog({ ...settings, to: 'file' }, '/l')).toBe('/l, rotated at 1048576 bytes, 0 files or 90 s kept');
});

test('a file that would be rotated all the time is refused', () => {
  const { lines } = inspect({ node: '[daemon.web]\ncommand = x\nlog.max-size = 64k\n' });
  expect(lines).toEqual([
    '/etc/metactl/nodes/myapp.conf:3:16: found `64k`, expected a size such as 256m or 2g of at least 1m',
  ]);
});
