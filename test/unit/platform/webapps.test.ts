import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findWebContexts, listDirectory } from '../../../src/platform/webapps.ts';

type Tree = Readonly<Record<string, readonly string[]>>;

/** `/=/a/x.war` for each context. */
function found(tree: Tree): string[] {
  return findWebContexts('/a', (directory) => tree[directory]).map(({ contextPath, path }) => `${contextPath}=${path}`);
}

describe('web applications of an app directory', () => {
  it.each<[string, Tree, string[]]>([
    ['the directory itself', { '/a': ['WEB-INF', 'x.war'] }, ['/=/a']],
    ['a single WAR', { '/a': ['job.jar', 'x.war'] }, ['/=/a/x.war']],
    ['a single exploded directory', { '/a': ['lib', 'x'], '/a/x': ['WEB-INF'], '/a/lib': ['y.jar'] }, ['/=/a/x']],
    ['several, ROOT at /', { '/a': ['ROOT.war', 'wiki.WAR'] }, ['/=/a/ROOT.war', '/wiki=/a/wiki.WAR']],
    ['several, no ROOT', { '/a': ['a.war', 'b'], '/a/b': ['WEB-INF'] }, ['/a=/a/a.war', '/b=/a/b']],
    ['a WAR and its unpacked copy', { '/a': ['x', 'x.war'], '/a/x': ['WEB-INF'] }, ['/=/a/x.war']],
    ['webapps, by name', { '/a': ['webapps'], '/a/webapps': ['x.war'] }, ['/x=/a/webapps/x.war']],
    [
      'webapps with root',
      { '/a': ['webapps'], '/a/webapps': ['root', 'index.html'], '/a/webapps/root': ['WEB-INF'] },
      ['/=/a/webapps/root'],
    ],
    ['hidden files', { '/a': ['.war', '.x.war', '.y'], '/a/.y': ['WEB-INF'] }, []],
    ['an unreadable webapps', { '/a': ['webapps'] }, []],
    ['nothing', { '/a': ['job.jar'] }, []],
    ['no directory', {}, []],
  ])('finds %s', (_what, tree, expected) => {
    expect(found(tree)).toEqual(expected);
  });

  it('lists a real directory in order, and nothing for a file or an absent one', () => {
    const directory = mkdtempSync(join(tmpdir(), 'metactl-webapps-'));
    try {
      writeFileSync(join(directory, 'b'), '');
      mkdirSync(join(directory, 'a'));
      expect(listDirectory(directory)).toEqual(['a', 'b']);
      expect(listDirectory(join(directory, 'b'))).toBeUndefined();
      expect(listDirectory(join(directory, 'c'))).toBeUndefined();
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
