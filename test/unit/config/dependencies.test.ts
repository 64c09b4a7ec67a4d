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

describe('the time that daemons take to stop one after the other', () => {
  /** Each depends on the one before. */
  const chain = (count: number, more = '') =>
    Array.from(
      { length: count },
      (_, at) => `[daemon.d${at}]\n${at === 0 ? '' : `depends-on.d${at - 1} = started\n`}${more}`,
    ).join('');
  const told = (at: string, found: string, most: string) => [
    expect.stringContaining(
      `${at}: found daemons that take up to ${found} to stop one after the other, expected at most ${most}: an application may only ask for less; `,
    ),
  ];

  it('is at most ten minutes where .metactl says the order', () => {
    expect(inspect({ application: chain(2, 'timeout-stop-sec = 5min\n') }).lines).toEqual([]);
    expect(inspect({ application: chain(3, 'timeout-stop-sec = 5min\n') }).lines).toEqual(
      told('.metactl:7:17', '15min', '10min'),
    );
    const application = chain(3);
    const node = '[trust]\ndaemons-max = 99\n';
    expect(inspect({ application: chain(20), node }).lines).toEqual([]);
    expect(inspect({ application: chain(21), node }).lines).toEqual(told('.metactl:41:18', '630s', '10min'));
    expect(inspect({ application, node: chain(3, 'timeout-stop-sec = 1h\n') }).lines).toEqual([]);
  });

  it('is ten minutes more than the longest time of administrators', () => {
    const node = '[daemon.d0]\ntimeout-stop-sec = 1h\n[daemon.d2]\ntimeout-stop-sec = 1h\n';
    expect(inspect({ application: chain(2), node: '[daemon.d0]\ntimeout-stop-sec = 1h\n' }).lines).toEqual([]);
    expect(inspect({ application: chain(3), node }).lines).toEqual(told('.metactl:5:17', '7230s', '70min'));
  });

  it('is what administrators say where the order is theirs, or the app is trusted', () => {
    expect(inspect({ application: '', node: chain(30) }).lines).toEqual([]);
    const application = chain(3, 'timeout-stop-sec = 5min\n');
    expect(inspect({ application, node: '[trust]\napplication = full\n' }).lines).toEqual([]);
  });
});
