import { describe, expect, it } from 'vitest';
import { filteredCalls, parseAuditRecord, parseKernelRecord } from '../../../src/host/linux/seccomp-log.ts';

/** As Linux 6.18 wrote them. */
const X32 =
  '5,1171,2015055099,-;audit: type=1326 audit(1795706881.134:54): auid=4294967295 uid=93700 gid=93700 ses=4294967295 ' +
  'pid=11381 comm="probe" exe="/srv/metactl-test-U30Uq5/apps/shop/probe" sig=31 arch=c000003e syscall=1073741863 compat=0 ' +
  'ip=0x449e89 code=0x80000000\n';
const I386 =
  '5,1172,2015058341,-;audit: type=1326 audit(1795706881.134:55): auid=4294967295 uid=93700 gid=93700 ses=4294967295 ' +
  'pid=11400 comm="probe" exe="/srv/metactl-test-U30Uq5/apps/shop/probe" sig=31 arch=40000003 syscall=20 compat=1 ' +
  'ip=0x403447 code=0x80000000\n';
/** A refused call; with a security module there is a label, and a name with a space comes in hexadecimal. */
const REFUSED =
  '5,1173,2015058999,-;audit: type=1326 audit(1795706882.000:56): auid=4294967295 uid=93700 gid=93700 ses=4294967295 ' +
  'subj=unconfined pid=11401 comm=6120621B exe="/usr/bin/unshare" sig=0 arch=c000003e syscall=272 compat=0 ' +
  'ip=0x7f0a code=0x50000\n SUBSYSTEM=x\n';

describe('a record of the kernel', () => {
  it('tells who was killed for which call', () => {
    expect(parseKernelRecord(X32)).toEqual({
      time: 1_795_706_881_134,
      pid: 11381,
      uid: 93700,
      command: 'probe',
      program: '/srv/metactl-test-U30Uq5/apps/shop/probe',
      audit: 0xc000_003e,
      number: 0x4000_0000 + 39,
      action: 'kill',
    });
    expect(parseKernelRecord(I386)).toMatchObject({ pid: 11400, audit: 0x4000_0003, number: 20, action: 'kill' });
  });

  it('tells what was refused, with names that can’t move a terminal', () => {
    expect(parseKernelRecord(REFUSED)).toMatchObject({
      command: 'a b\\x1b',
      program: '/usr/bin/unshare',
      number: 272,
      action: 'errno',
    });
  });

  it.each([
    ['0x0', 'kill'],
    ['0x30000', 'trap'],
    ['0x7ff00000', 'trace'],
    ['0x7ffc0000', 'log'],
    ['0x7fc00000', 'other'],
  ])('with code %s is of action %s', (code, action) => {
    expect(parseKernelRecord(X32.replace('0x80000000', code))?.action).toBe(action);
  });

  it('is read as auditd writes it, too', () => {
    const line = X32.replace(/^.*?type=1326 /, 'type=SECCOMP msg=').replace(/\n$/, '');
    expect(parseAuditRecord(line)).toEqual(parseKernelRecord(X32));
  });

  it.each([
    ['of another type', X32.replace('1326', '1300')],
    ['that a program wrote to /dev/kmsg', X32.replace('5,', '13,')],
    ['without a call', X32.replace(/ syscall=\d+/, '')],
    ['without an action', X32.replace(/ code=\w+/, '')],
    ['with text before it', X32.replace('audit:', 'x audit:')],
    ['without a head', X32.slice(X32.indexOf(';') + 1)],
    ['of nothing', ''],
  ])('%s is none', (_what, record) => {
    expect(parseKernelRecord(record)).toBeUndefined();
  });
});

/** A log that has some records at once and the rest at every later look. */
function log(...looks: string[][]) {
  const waiting = looks.map((records) => [...records]);
  let closed = 0;
  const next = () => {
    const record = waiting[0]?.shift();
    if (record === undefined) waiting.shift();
    return record;
  };
  return { open: () => ({ next, close: () => void closed++ }), closed: () => closed };
}

describe('looking for filtered calls', () => {
  const query = { uid: 93700, since: 1_795_706_881_000 };

  it('finds those of a user, since a time, with an action, in order', async () => {
    const found = async (changes: Partial<Parameters<typeof filteredCalls>[0]>) => {
      const calls = await filteredCalls({ ...query, ...changes }, 0, log([X32, 'noise', I386, REFUSED]).open);
      return calls.map(({ pid }) => pid);
    };
    expect(await found({})).toEqual([11381, 11400, 11401]);
    expect(await found({ uid: 1 })).toEqual([]);
    expect(await found({ since: 1_795_706_881_135 })).toEqual([11401]);
    expect(await found({ action: 'kill' })).toEqual([11381, 11400]);
  });

  it('waits for a first one, with a bound, and closes the log', async () => {
    const late = log(['noise'], [], [I386]);
    expect(await filteredCalls(query, 5000, late.open)).toHaveLength(1);
    expect(late.closed()).toBe(1);
    const never = log();
    const start = performance.now();
    expect(await filteredCalls(query, 60, never.open)).toEqual([]);
    expect(performance.now() - start).toBeGreaterThanOrEqual(59);
    expect(never.closed()).toBe(1);
  });

  it('finds nothing where the log can’t be read', async () => {
    expect(await filteredCalls(query, 1000, () => undefined)).toEqual([]);
  });
});
