import { describe, expect, it } from 'vitest';
import { isSecretName, maskText, maskWords } from '../../../src/util/mask.ts';

describe('isSecretName', () => {
  it.each(['DB_PASSWORD', 'secret', 'GITHUB_TOKEN', 'api.key', 'client-secret'])('%s', (name) =>
    expect(isSecretName(name)).toBe(true),
  );
  it.each(['DB_URL', 'PORT', 'jvm.heap.max', 'KeyringMode'])('not %s', (name) =>
    expect(isSecretName(name)).toBe(false),
  );
});

describe('maskText', () => {
  it.each([
    ['mysql://myapp:secret@host/db', 'mysql://myapp:***@host/db'],
    ['mysql://myapp:s@cr@t@host/db', 'mysql://myapp:***@host/db'],
    ['redis://:pw@host', 'redis://:***@host'],
    ['mysql://u:a/b@host/x', 'mysql://u:***@host/x'],
    ['run --url http://u:p@h x', 'run --url http://u:***@h x'],
    ['--db-password=hunter2 -v', '--db-password=*** -v'],
    ['--db-password="a b" -v', '--db-password=*** -v'],
    ['--db-password hunter2 -v', '--db-password *** -v'],
    ['--password -v', '--password -v'],
    ['jdbc:x://h/d?user=u&password=p&x=1', 'jdbc:x://h/d?user=u&password=***&x=1'],
    ['jdbc:sqlserver://h;password=p;db=d', 'jdbc:sqlserver://h;password=***'],
    ['-Dapi.key=abc', '-Dapi.key=***'],
  ])('masks %s', (text, masked) => expect(maskText(text)).toBe(masked));

  it.each([
    'http://host:8080/path@x',
    'http://host/#frag',
    'svn+ssh://user@host/x',
    'a=b',
    '',
    'plain text',
    'key=',
    'http://a:80',
  ])('leaves %j', (text) => expect(maskText(text)).toBe(text));

  it.each([
    [
      ['curl', '--password', 'a b', 'c'],
      ['curl', '--password', '***', 'c'],
    ],
    [
      ['--password=a b', 'c'],
      ['--password=***', 'c'],
    ],
    [
      ['--password', '-v'],
      ['--password', '-v'],
    ],
    [
      ['sh', '-c', 'PGPASSWORD=x psql y://u:p@h'],
      ['sh', '-c', 'PGPASSWORD=***'],
    ],
    [
      ['sh', '-c', 'exec mysql --password x -h db'],
      ['sh', '-c', 'exec mysql --password *** -h db'],
    ],
    [
      ['mysql://u:hunter2@db/x', '--token=', 'a=b c'],
      ['mysql://u:***@db/x', '--token=', 'a=b c'],
    ],
    [[], []],
  ])('masks the words %j', (words, masked) => expect(maskWords(words)).toEqual(masked));

  it('is stable', () => {
    const once = maskText('a://u:p@h --token=x');
    expect(maskText(once)).toBe(once);
  });

  it.each([
    ['://', '://'.repeat(40_000)],
    ['://a:', '://a:'.repeat(30_000)],
    ['=', '='.repeat(120_000)],
    ['k=', 'k='.repeat(60_000)],
    ['"', '"a'.repeat(60_001)],
    ['mixed quotes', `"'`.repeat(60_001)],
    ['word', 'a'.repeat(120_000)],
  ])('is linear on many %s', (_name, text) => {
    const start = performance.now();
    maskText(text);
    expect(performance.now() - start).toBeLessThan(500);
  });
});
