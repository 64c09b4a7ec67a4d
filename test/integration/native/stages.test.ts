import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addon } from '../../../src/host/linux/addon.ts';
import { sharedRootsOf } from '../../../src/host/linux/encoded-plans.ts';
import { launch } from '../../../src/host/linux/launch.ts';
import { makeNodeStage, nodeStage } from '../../../src/host/linux/node-stages.ts';
import { emptyStage, makeEmptyStage } from '../../../src/host/linux/stage-build.ts';
import { openAppStages, type StagesHold, untilStagesMade } from '../../../src/host/linux/stages.ts';
import type { MountStep, SandboxPlan } from '../../../src/sandbox/plan.ts';
import { rootSteps, sandboxPlan } from '../../fixtures/native/plan.ts';
import { collect, PIPES } from '../../fixtures/native/run.ts';

let scratch: string;
let netns: number;
let hold: StagesHold;
/** What the first launch of this process printed, which can only start from the host's mounts. */
let fromHost: string;

/** Every mount that is seen inside, without numbers that differ from launch to launch. */
const SEE = [
  'sh',
  '-c',
  'cut -d" " -f4- /proc/self/mountinfo | sort; ls -lR /dev /run /root /etc/hostname 2>&1 | cut -c1-20; cat /etc/hostname; id; hostname',
];

beforeAll(async () => {
  // Not below /tmp, which the test's root covers.
  scratch = mkdtempSync('/var/tmp/metactl-stages-');
  chmodSync(scratch, 0o755);
  writeFileSync(join(scratch, 'netns'), '');
  netns = addon().makeNetns(join(scratch, 'netns'));
  expect(emptyStage()).toBeUndefined();
  fromHost = (await start(sandboxPlan(SEE))).output;
});

afterAll(() => {
  closeSync(netns);
  for (const name of ['netns', 'source/below', 'source']) addon().unmount(join(scratch, name));
  rmSync(scratch, { recursive: true, force: true });
});

beforeEach(() => {
  hold = openAppStages('test');
});

afterEach(() => hold.release());

function start(plan: SandboxPlan, stages?: StagesHold) {
  return collect(launch(plan, { tasks: [], netns, stdio: PIPES, ...(stages === undefined ? {} : { stages }) }));
}

/** Starts until the app's stage is there, and then from it. */
async function fromAppStage(plan: SandboxPlan) {
  await hold.stages.prepare(plan, netns);
  expect(hold.stages.ready(plan, netns)).toBeTypeOf('number');
  return start(plan, hold);
}

const nodeRoot = (plan: SandboxPlan) => sharedRootsOf(plan).node!;

const withSteps = (argv: readonly string[], ...steps: MountStep[]): SandboxPlan => {
  const plan = sandboxPlan(argv);
  const [first, ...rest] = rootSteps();
  return { ...plan, root: { ...plan.root, common: 1, steps: [first!, ...steps, ...rest] } };
};

describe('a launch', () => {
  it('builds the same sandbox from the host’s mounts, from the empty stage, the node’s and the app’s', async () => {
    expect(fromHost).toContain('someapp');
    await makeEmptyStage();
    expect(nodeStage(nodeRoot(sandboxPlan(SEE)))).toBeUndefined();
    expect((await start(sandboxPlan(SEE))).output).toBe(fromHost);
    await makeNodeStage(nodeRoot(sandboxPlan(SEE)));
    expect(nodeStage(nodeRoot(sandboxPlan(SEE)))).toBeTypeOf('number');
    expect((await start(sandboxPlan(SEE))).output).toBe(fromHost);
    expect((await fromAppStage(sandboxPlan(SEE))).output).toBe(fromHost);
  });

  it('gets its stage in the background of the one before', async () => {
    const plan = sandboxPlan(['sleep', '1']);
    const ended = start(plan, hold);
    for (let i = 0; hold.stages.ready(plan, netns) === undefined && i < 200; i++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(hold.stages.ready(plan, netns)).toBeTypeOf('number');
    await ended;
  });

  it('gets none once its hold is released: the descriptors may be closed by then', async () => {
    const plan = sandboxPlan(['true']);
    const second = openAppStages('test');
    await start(plan, hold);
    hold.release();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(second.stages.ready(plan, netns)).toBeUndefined();
    second.release();
  });

  it('finds nothing that an earlier one has written', async () => {
    const script = 'ls /tmp /dev/shm; touch /tmp/left /dev/shm/left';
    for (let i = 0; i < 2; i++)
      expect((await fromAppStage(sandboxPlan(['sh', '-c', script]))).output).toBe('/dev/shm:\n\n/tmp:\n');
  });

  it('cannot change what it shares with the others', async () => {
    const script =
      'for d in / /dev /run /root /sys; do touch $d/x 2>/dev/null && echo $d; mount -o remount,rw $d 2>/dev/null && echo $d; done; echo end';
    expect((await fromAppStage(sandboxPlan(['sh', '-c', script]))).output).toBe('end\n');
  });
});

describe('a stage', () => {
  const source = () => join(scratch, 'source');
  const bindSource = (changes: object = {}): MountStep => ({
    op: 'bind',
    source: source(),
    target: '/mnt',
    recursive: false,
    shared: true,
    ...changes,
  });

  beforeEach(() => {
    rmSync(source(), { recursive: true, force: true });
    mkdirSync(join(source(), 'below'), { recursive: true });
    writeFileSync(join(source(), 'file'), 'old\n');
  });

  it('is not used any more once a bound directory has been replaced', async () => {
    const plan = withSteps(['cat', '/mnt/file'], bindSource());
    expect((await fromAppStage(plan)).output).toBe('old\n');
    renameSync(source(), `${source()}.old`);
    mkdirSync(source());
    writeFileSync(join(source(), 'file'), 'new\n');
    expect(hold.stages.ready(plan, netns)).toBeUndefined();
    expect((await start(plan, hold)).output).toBe('new\n');
    expect((await fromAppStage(plan)).output).toBe('new\n');
    rmSync(`${source()}.old`, { recursive: true });
  });

  it('nor when a hidden one has been', async () => {
    const plan = withSteps(['sh', '-c', `cat ${source()}/file 2>/dev/null || echo hidden`]);
    const hiding = { ...plan, root: { ...plan.root, masked: [...plan.root.masked, source()] } };
    expect((await fromAppStage(hiding)).output).toBe('hidden\n');
    renameSync(source(), `${source()}.old`);
    mkdirSync(source());
    writeFileSync(join(source(), 'file'), 'new\n');
    expect(hold.stages.ready(hiding, netns)).toBeUndefined();
    expect((await start(hiding, hold)).output).toBe('hidden\n');
    expect((await fromAppStage(hiding)).output).toBe('hidden\n');
    rmSync(`${source()}.old`, { recursive: true });
  });

  it('nor when something has been mounted on it', async () => {
    const plan = withSteps(['ls', '/mnt'], bindSource());
    expect((await fromAppStage(plan)).output).toBe('below\nfile\n');
    addon().mountTmpfs(source(), { size: 4096, mode: 0o755 });
    expect((await start(plan, hold)).output).toBe('');
    addon().unmount(source());
  });

  it('leaves recursive binds to each launch, so that mounts below them are up to date', async () => {
    const plan = withSteps(['ls', '/mnt/below'], bindSource({ recursive: true }));
    expect((await fromAppStage(plan)).output).toBe('');
    addon().mountTmpfs(join(source(), 'below'), { size: 4096, mode: 0o755 });
    mkdirSync(join(source(), 'below/mounted'));
    expect((await start(plan, hold)).output).toBe('mounted\n');
    addon().unmount(join(source(), 'below'));
  });

  it('is not used in another network namespace, whose devices it would not show', async () => {
    const plan = sandboxPlan(['true']);
    await fromAppStage(plan);
    writeFileSync(join(scratch, 'other'), '');
    const other = addon().makeNetns(join(scratch, 'other'));
    expect(hold.stages.ready(plan, other)).toBeUndefined();
    closeSync(other);
    addon().unmount(join(scratch, 'other'));
  });

  it('is shared by plans with the same shared root only', async () => {
    await hold.stages.prepare(sandboxPlan(['true']), netns);
    expect(hold.stages.ready(sandboxPlan(['false']), netns)).toBeTypeOf('number');
    expect(hold.stages.ready(withSteps(['true'], bindSource()), netns)).toBeUndefined();
  });

  it('is waited for by those that start with the one that makes it', async () => {
    const plan = sandboxPlan(['true']);
    await untilStagesMade('nobody');
    await untilStagesMade('test');
    void hold.prepare(plan, netns);
    expect(hold.stages.ready(plan, netns)).toBeUndefined();
    await untilStagesMade('test');
    expect(hold.stages.ready(plan, netns)).toBeDefined();
  });

  it('that can’t be built does not keep a launch from telling why', async () => {
    const plan = withSteps(['true'], bindSource({ target: '/nowhere' }));
    await hold.stages.prepare(plan, netns);
    expect(hold.stages.ready(plan, netns)).toBeUndefined();
    const sandbox = launch(plan, { tasks: [], netns, stdio: PIPES, stages: hold });
    await expect(sandbox.started).rejects.toMatchObject({ code: 'ENOENT', path: '/nowhere' });
    await sandbox.ended;
  });

  it('goes with its last holder', async () => {
    const second = openAppStages('test');
    expect(second.stages).toBe(hold.stages);
    await hold.stages.prepare(sandboxPlan(['true']), netns);
    hold.release();
    hold.release();
    expect(second.stages.ready(sandboxPlan(['true']), netns)).toBeTypeOf('number');
    second.release();
    expect(second.stages.ready(sandboxPlan(['true']), netns)).toBeUndefined();
    await second.stages.prepare(sandboxPlan(['true']), netns);
    expect(second.stages.ready(sandboxPlan(['true']), netns)).toBeUndefined();
  });
});

describe('the node’s stage', () => {
  it('serves every app with the same common root, and no other', async () => {
    await makeNodeStage(nodeRoot(sandboxPlan(['true'])));
    const other = { ...sandboxPlan(['true']), app: 'other', hostname: 'other' };
    expect(nodeStage(nodeRoot(other))).toBe(nodeStage(nodeRoot(sandboxPlan(['false']))));
    const step: MountStep = { op: 'tmpfs', target: '/mnt', size: 4096, mode: 0o755, readOnly: true, shared: true };
    const plan = withSteps(['true'], step);
    expect(nodeStage(nodeRoot({ ...plan, root: { ...plan.root, common: 2 } }))).toBeUndefined();
  });

  it('is made anew where the host shows something else meanwhile', async () => {
    const source = join(scratch, 'node-source');
    mkdirSync(source);
    writeFileSync(join(source, 'file'), 'old\n');
    const step = { op: 'bind', source, target: '/mnt', recursive: false, shared: true } as const;
    const plan = withSteps(['cat', '/mnt/file'], step);
    const both = { ...plan, root: { ...plan.root, common: 2 } };
    await makeNodeStage(nodeRoot(both));
    expect((await start(both)).output).toBe('old\n');
    renameSync(source, `${source}-gone`);
    mkdirSync(source);
    writeFileSync(join(source, 'file'), 'new\n');
    expect(nodeStage(nodeRoot(both))).toBeUndefined();
    expect((await start(both)).output).toBe('new\n');
  });

  it('keeps the mount namespaces of the last four only', async () => {
    const plans = [0, 1, 2, 3, 4].map((i) => {
      const plan = withSteps(['true'], { op: 'symlink', target: `/dev/l${i}`, to: 'null', shared: true });
      const [first, link, ...rest] = plan.root.steps;
      // After /dev, in which it is made.
      return { ...plan, root: { ...plan.root, common: 3, steps: [first!, rest[0]!, link!, ...rest.slice(1)] } };
    });
    for (const plan of plans) expect(await makeNodeStage(nodeRoot(plan))).toBeTypeOf('number');
    expect(nodeStage(nodeRoot(plans[0]!))).toBeUndefined();
    expect(nodeStage(nodeRoot(plans[4]!))).toBeTypeOf('number');
  });
});

describe('descriptors', () => {
  const openFds = () => readdirSync('/proc/self/fd').length;
  const many: number[] = [];

  afterEach(() => {
    for (const fd of many.splice(0)) closeSync(fd);
  });

  it.each([0, 600])('stay as many as before, with %d more of them open', async (more) => {
    for (let i = 0; i < more; i++) many.push(openSync('/dev/null', 'r'));
    const plan = withSteps(['sh', '-c', 'cd /proc/$$/fd; echo *'], {
      op: 'bind',
      source: '/usr',
      target: '/mnt',
      recursive: true,
      shared: true,
    });
    const missing = withSteps(['true'], {
      op: 'bind',
      source: '/nowhere',
      target: '/mnt',
      recursive: true,
      shared: true,
    });
    // What is kept for later starts is there before they are counted.
    await makeNodeStage(nodeRoot(plan));
    await fromAppStage(plan);
    await start(plan);
    expect(() => launch(missing, { tasks: [], netns, stdio: PIPES })).toThrow(/nowhere/);
    const before = openFds();
    for (let i = 0; i < 3; i++) {
      // The fourth is the directory that the shell reads.
      expect((await fromAppStage(plan)).output).toBe('0 1 2 3\n');
      expect((await start(plan)).output).toBe('0 1 2 3\n');
      expect(() => launch(missing, { tasks: [], netns, stdio: PIPES })).toThrow(/bind `\/nowhere`: no such file/);
    }
    expect(openFds()).toBe(before);
  });
});
