import { describe, expect, it } from 'vitest';
import { inspect } from './root.ts';

/** A configuration whose daemons depend on each other as told: `web: db queue`. */
function depending(...daemons: readonly string[]): string {
  return daemons
    .map((text) => {
      const [name, ...others] = text.split(/[: ]+/);
      return `[daemon.${name}]\n${others.map((other) => `depends-on.${other} = ready\n`).join('')}`;
    })
    .join('');
}

describe('depends-on', () => {
  it.each([[['web: db queue', 'db', 'queue: db']], [['a: b c', 'b: d', 'c: d', 'd']]])(
    'may be any order without a circle: %j',
    (daemons) => expect(inspect({ application: depending(...daemons) }).lines).toEqual([]),
  );

  it.each([
    [
      ['web: db', 'db: web'],
      ['.metactl:4:18: found daemons that wait for each other: web → db → web; remove one of their depends-on keys'],
    ],
    [
      ['first: a', 'a: b', 'b: c', 'c: a'],
      ['.metactl:8:16: found daemons that wait for each other: a → b → c → a; remove one of their depends-on keys'],
    ],
    [
      ['a: b', 'b: a', 'c: d', 'd: c'],
      [
        '.metactl:4:16: found daemons that wait for each other: a → b → a; remove one of their depends-on keys',
        '.metactl:8:16: found daemons that wait for each other: c → d → c; remove one of their depends-on keys',
      ],
    ],
  ])('in a circle is refused with its path: %j', (daemons, lines) => {
    expect(inspect({ application: depending(...daemons) }).lines).toEqual(lines);
  });

  it('is told where it closes, also across files', () => {
    const application = depending('web: db', 'db');
    expect(inspect({ application, node: '[daemon.db]\ndepends-on.web = started\n' }).lines).toEqual([
      '/etc/metactl/nodes/myapp.conf:2:18: found daemons that wait for each other: web → db → web; remove one of their depends-on keys',
    ]);
    // A higher layer may also take it away.
    expect(
      inspect({ application: depending('web: db', 'db: web'), node: '[daemon.db]\ndepends-on.web =\n' }).lines,
    ).toEqual([]);
  });

  it('on itself or on nobody is refused, with a suggestion', () => {
    expect(inspect({ application: depending('web: web', 'worker') }).lines).toEqual([
      '.metactl:2:1: found the daemon name `web`, expected one of worker',
    ]);
    expect(inspect({ application: depending('web: wroker', 'worker') }).lines).toEqual([
      '.metactl:2:1: found the daemon name `wroker`, expected one of worker; did you mean `worker`?',
    ]);
  });
});
