import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile, makeInstallation } from '../../fixtures/native/compile.ts';
import { UID } from '../../fixtures/native/plan.ts';

const ENOSYS = 38;
const EINVAL = 22;
/** Numbers are the same on every architecture for these. */
const CALLS = {
  openTree: 428,
  moveMount: 429,
  clone3: 435,
  closeRange: 436,
  openat2: 437,
  mountSetattr: 442,
  pidfdSendSignal: 424,
  pidfdOpen: 434,
} as const;
/** All six CLONE_NEW… flags of `join` at once; its number differs, but tests run on x86_64 and aarch64 only. */
const SETNS = process.arch === 'x64' ? 308 : 268;
/** waitid's P_PIDFD. */
const WAIT_BY_PIDFD = `${process.arch === 'x64' ? 247 : 95}@0:3=${EINVAL}`;
const SETNS_BY_PIDFD = `${SETNS}@1:0x6e020000=${EINVAL}`;

const ALL = Object.keys(CALLS) as (keyof typeof CALLS)[];

let installation: ReturnType<typeof makeInstallation>;
let withoutCalls: string;
let supervisor: string;

beforeAll(() => {
  installation = makeInstallation();
  withoutCalls = compile(join(installation.directory, 'without-calls'), ['without-calls.c']);
  supervisor = installation.bundle('supervisor.ts');
});

afterAll(() => installation.remove());

const SCRIPT =
  'id -u; hostname; cat /etc/hostname; stat -c %t:%T /dev/null; ls /root; cat /proc/keys; touch /etc/x /dev/x /proc/sys/x 2>/dev/null || echo ro; ' +
  'touch /tmp/x && echo rw; cd /proc/$$/fd; echo *; cd /; grep -c "nosuid" /proc/self/mountinfo; wc -l </proc/self/mountinfo; exit 3';

function run(rules: readonly string[], mode: string): string {
  return execFileSync(withoutCalls, [...rules, '--', process.execPath, supervisor, mode, SCRIPT], { encoding: 'utf8' });
}

const without = (...names: (keyof typeof CALLS)[]) => names.map((name) => `${CALLS[name]}=${ENOSYS}`);

describe('on a kernel', () => {
  const cases: [string, string[]][] = [
    ['with everything', []],
    ['without clone3 (before 5.3)', without('clone3')],
    ['without close_range (before 5.9)', without('closeRange')],
    ['without openat2 (before 5.6)', without('openat2')],
    ['without mount_setattr (before 5.12)', without('mountSetattr')],
    ['without open_tree and move_mount (before 5.2)', without('openTree', 'moveMount')],
    ['without pidfd_open (before 5.3)', without('pidfdOpen')],
    ['without waiting by pidfd (before 5.4)', [WAIT_BY_PIDFD]],
    ['without any of them', [...without(...ALL), WAIT_BY_PIDFD]],
  ];
  it.each(cases)('%s the same sandbox is built', (_name, rules) => {
    const lines = run(rules, 'run').split('\n');
    expect(lines.slice(0, 7)).toEqual([`${UID}`, 'someapp', 'inside', '1:3', 'ro', 'rw', '0 1 2 3']);
    expect(lines[7]).toBe(lines[8]);
    expect(JSON.parse(lines[9]!)).toMatchObject({ code: 3 });
  });

  it('without setns by pidfd (before 5.8) a sandbox is entered all the same', () => {
    const expected = run([], 'join');
    expect(expected).toMatch(new RegExp(`^${UID}\\nsomeapp\\ninside\\n`));
    const plain = (text: string) => text.replace(/\{.*\}/, '');
    expect(plain(run([SETNS_BY_PIDFD], 'join'))).toBe(plain(expected));
    // Before 5.4 there is no pidfd at all.
    expect(plain(run([SETNS_BY_PIDFD, WAIT_BY_PIDFD, ...without(...ALL)], 'join'))).toBe(plain(expected));
  });
});
