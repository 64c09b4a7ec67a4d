import { describe, expect, it } from 'vitest';
import { nameProblem, requireAppName } from '../../../src/config/names.ts';

describe('names', () => {
  it.each(['a', 'web1', 'a-b', `a${'b'.repeat(30)}`])('%s is good', (name) => {
    expect(nameProblem(name, 'app')).toBeUndefined();
    expect(nameProblem(name, 'daemon')).toBeUndefined();
  });

  it.each(['', 'Web', '1web', 'web-', '-web', 'we_b', 'wéb', '../etc', `a${'b'.repeat(31)}`])('%j is bad', (name) => {
    expect(nameProblem(name, 'app')).toContain('expected a lower-case letter');
  });

  it.each(['run', 'all', 'gc', 'web'])('an app can’t be called %s', (name) => {
    expect(nameProblem(name, 'app')).toContain('which is reserved');
    expect(() => requireAppName(name)).toThrow(expect.objectContaining({ code: 'METACTL_BAD_NAME', exitStatus: 2 }));
  });

  it.each(['run', 'all', 'made', 'exec-123'])('a daemon can’t be called %s', (name) => {
    expect(nameProblem(name, 'daemon')).toContain('which is reserved');
  });

  it('a daemon may be called web, made-up and exec', () => {
    expect(['web', 'made-up', 'exec-a'].map((name) => nameProblem(name, 'daemon'))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});
