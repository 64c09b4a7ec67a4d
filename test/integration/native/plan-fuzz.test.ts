import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { addon } from '../../../src/host/linux/addon.ts';
import { encodeJoin, encodePlan, encodeStage } from '../../../src/host/linux/encode.ts';
import { nativeFiles } from '../../../src/host/linux/native-files.ts';
import { readErrorRecord } from '../../../src/host/linux/records.ts';
import { watchSandbox } from '../../../src/host/linux/watch.ts';
import { compile } from '../../fixtures/native/compile.ts';
import { identity, processPlan, sandboxPlan } from '../../fixtures/native/plan.ts';

const ROUNDS = 20_000;
let scratch: string;

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'metactl-fuzz-'));
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

it('reads no plan beyond its end, whatever is in it', () => {
  const fuzzer = compile(
    join(scratch, 'fuzz'),
    ['plan_fuzz.cc', 'native/plan.cc'],
    ['-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
  );
  const overlay = { op: 'overlay', target: '/etc', lower: ['/run/a', '/etc'], shared: true } as const;
  const plan = sandboxPlan(['sh', '-c', 'true'], {
    identity: identity({ groups: [1, 2, 3], capabilities: ['KILL'] }),
    process: processPlan(['sh', '-c', 'true'], { seccompProgram: new Uint8Array(64) }),
  });
  const plans = [
    encodePlan({ ...plan, root: { ...plan.root, steps: [...plan.root.steps, overlay] } }),
    encodePlan({ ...plan, sandboxed: false }),
    encodeJoin(processPlan(['true']), identity()),
    encodeStage(plan.root).bytes,
  ];
  const files = plans.map((bytes, index) => {
    const path = join(scratch, `${index}.plan`);
    writeFileSync(path, bytes);
    return path;
  });
  const accepted = Number(execFileSync(fuzzer, [String(ROUNDS), '4711', ...files], { encoding: 'utf8' }));
  // Else the mutations would not reach what lies behind the checks.
  expect(accepted).toBeGreaterThan(ROUNDS / 50);
});

it('makes metactl-init refuse a damaged plan', async () => {
  const whole = Buffer.from(encodePlan(sandboxPlan(['true'])));
  const damaged: [string, Buffer][] = [
    ['read plan: not a plan of this version', Buffer.from('what is this?')],
    [
      'read plan: not a plan of this version',
      Buffer.concat([whole.subarray(0, 4), Buffer.from([99]), whole.subarray(5)]),
    ],
    ['read plan: not all there', whole.subarray(0, whole.length - 1)],
    ['read plan: bad mount steps', Buffer.concat([whole, Buffer.from([0])])],
  ];
  damaged[3]![1].writeUInt32LE(whole.length + 1, 8);
  for (const [step, bytes] of damaged) {
    const { nothing, liveness, init } = nativeFiles();
    const plan = addon().sealedMemfd('damaged', bytes, false);
    const stdio = { stdin: nothing, stdout: nothing, stderr: nothing };
    const spawned = addon().spawn({
      init,
      plan,
      ...stdio,
      liveness,
      tasks: [],
      isolated: true,
      newMounts: true,
      newNetwork: false,
      title: 'x',
    });
    const sandbox = watchSandbox(spawned, {
      leftOut: [],
      stdout: undefined,
      ready: undefined,
      stderr: undefined,
      oomKilled: () => false,
    });
    await expect(sandbox.started).rejects.toMatchObject({ code: 'EINVAL', step, exitStatus: 125 });
    expect(await sandbox.ended).toMatchObject({ code: 125, sandboxDied: false });
  }
});

it('takes only whole error records', () => {
  expect(readErrorRecord(Buffer.alloc(0))).toBeUndefined();
  expect(readErrorRecord(Buffer.alloc(64))).toBeUndefined();
});
