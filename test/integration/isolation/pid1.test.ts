import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { makeProbeApp, type ProbeApp } from '../../helpers/probe-app.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useProbeScratch } from '../../helpers/use-scratch.ts';

leakCheck();

let scratch: Scratch;
let app: ProbeApp;
let pid: number;

/** Not a word that occurs elsewhere: it is looked for in memory. */
const SECRET = `${'quince'.repeat(2)}-${process.pid}-${'medlar'.repeat(2)}`;

useProbeScratch(async (made) => {
  scratch = made;
  app = makeProbeApp(scratch, 'shop', { node: `[env]\nSHOP_PASSWORD = ${SECRET}\n` });
  await app.start();
  pid = app.init();
});

const proc = (name: string, of: number = pid) => readFileSync(`/proc/${of}/${name}`, 'utf8');

function status(of: number = pid): Record<string, string> {
  return Object.fromEntries(
    proc('status', of)
      .split('\n')
      .filter((line) => line.includes(':'))
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  );
}

/** Host pid of PID 1's only child: the daemon. */
const daemonPid = () => Number(proc(`task/${pid}/children`).trim());

/** Kilobytes, as smaps_rollup has them. */
function kilobytes(name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(proc('smaps_rollup'))![1]);
}

/** Whether the readable memory of a process holds a text. Its program must be static and small. */
function memoryHolds(of: number, text: string): boolean {
  const fd = openSync(`/proc/${of}/mem`, 'r');
  try {
    return proc('maps', of)
      .split('\n')
      .filter((line) => / r/.test(line) && !line.includes('[v'))
      .some((line) => {
        const [from = 0n, to = 0n] = line
          .split(' ')[0]!
          .split('-')
          .map((hex) => BigInt(`0x${hex}`));
        const buffer = Buffer.alloc(Number(to - from));
        const size = readSync(fd, buffer, 0, buffer.length, from);
        return buffer.subarray(0, size).includes(text);
      });
  } finally {
    closeSync(fd);
  }
}

describe('PID 1 of a sandbox, seen from the host', () => {
  it('has CAP_KILL and nothing else, no_new_privs and a filter', () => {
    expect(status()).toMatchObject({
      Name: 'metactl-init',
      CapInh: '0000000000000000',
      CapPrm: '0000000000000020',
      CapEff: '0000000000000020',
      CapBnd: '0000000000000000',
      CapAmb: '0000000000000000',
      NoNewPrivs: '1',
      Seccomp: '2',
      Groups: '',
      NSpid: `${pid}\t1`,
    });
  });

  it('has five descriptors: signals, liveness, status and what the daemon writes to', () => {
    const open = readdirSync(`/proc/${pid}/fd`).map((fd) => ({
      kind: readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/:\[?\d+\]?$/, ''),
      // The access mode: 0 reads, 1 writes.
      mode: Number(/^flags:\s+0?(\d+)$/m.exec(proc(`fdinfo/${fd}`))![1]) % 10,
    }));
    expect(open.sort((a, b) => a.kind.localeCompare(b.kind) || a.mode - b.mode)).toEqual([
      { kind: 'anon_inode:[signalfd]', mode: expect.any(Number) },
      { kind: 'pipe', mode: 0 },
      { kind: 'pipe', mode: 1 },
      { kind: 'pipe', mode: 1 },
      { kind: 'pipe', mode: 1 },
    ]);
  });

  it('will not be killed for memory; the daemon is as likely as planned', () => {
    // Root without CAP_SYS_RESOURCE (in a container) can't go below what it has itself.
    const own = readFileSync('/proc/self/status', 'utf8').match(/^CapEff:\s+(\w+)$/m)![1]!;
    const mayLower = (BigInt(`0x${own}`) & (1n << 24n)) !== 0n;
    expect(proc('oom_score_adj')).toBe(mayLower ? '-1000\n' : readFileSync('/proc/self/oom_score_adj', 'utf8'));
    expect(proc('oom_score_adj', daemonPid())).toBe('0\n');
  });

  it('takes at most 32 kB of memory', () => {
    expect(kilobytes('Pss')).toBeLessThanOrEqual(32);
    expect(kilobytes('Rss')).toBeLessThanOrEqual(32);
    // The kernel begins the stack at random: one to three pages of it are used. All else is the program itself.
    expect(kilobytes('Rss') - kilobytes('Anonymous')).toBeLessThanOrEqual(20);
  });

  it('has no environment and has wiped the plan', () => {
    expect(proc('environ')).toBe('');
    expect(proc('maps')).not.toContain('metactl-plan');
    // The look itself works: the daemon has the password in its environment.
    expect(memoryHolds(daemonPid(), SECRET)).toBe(true);
    expect(memoryHolds(pid, SECRET)).toBe(false);
  });

  it('runs from a sealed copy in memory, in the root that it built', () => {
    expect(readlinkSync(`/proc/${pid}/exe`)).toBe('/memfd:metactl-init (deleted)');
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe('/');
    expect(readdirSync(`/proc/${pid}/root/home`)).toEqual([]);
    expect(readdirSync(`/proc/${pid}/root/run`)).toEqual(['.metactl']);
  });

  it('ends with the daemon’s whole family when it is killed', async () => {
    const daemon = daemonPid();
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => readdirSync('/proc').includes(String(daemon))).toBe(false);
  });
});
