import { afterEach, describe, expect, it } from 'vitest';
import { configure, type GuestApp, start } from './apps.ts';
import { useGuest } from './guest/use-guest.ts';

const guest = useGuest({ disks: { swap: 128 } }, (fresh) =>
  fresh.run('mkswap /dev/disk/by-id/virtio-swap; swapon /dev/disk/by-id/virtio-swap'),
);
const running: GuestApp[] = [];

afterEach(async () => {
  for (const app of running.splice(0)) await app.stop();
});

/** Runs the app `app` with one daemon `main`. */
async function run(command: string, keys = '', properties?: string, restart = 'no'): Promise<GuestApp> {
  await configure(guest, 'app', `[daemon.main]\nrestart = ${restart}\ncommand = ${command}\n${keys}`);
  const app = await start(guest, 'app', properties);
  running.push(app);
  return app;
}

/** A shell command as `command` takes it. */
const shell = (text: string) => `/bin/sh -c "${text.replaceAll('"', '\\"')}"`;

const MIB = 2 ** 20;

describe('delegation', () => {
  it('puts the supervisor in a leaf of its unit and the daemon beside it, with every limit in its file', async () => {
    const app = await run(
      shell('echo started; exec sleep 1000'),
      'memory-max = 64m\nmemory-high = 48m\nmemory-swap-max = 16m\ncpu-quota = 20%\ncpu-weight = 300\ntasks-max = 20',
    );
    await app.until('^started');
    const cgroup = app.cgroup();
    expect(
      await guest.run(`cd ${cgroup}; cat memory.max memory.high memory.swap.max cpu.max cpu.weight pids.max`),
    ).toBe(`${64 * MIB}\n${48 * MIB}\n${16 * MIB}\n20000 100000\n300\n20`);
    const unit = `/system.slice/${app.unit}`;
    expect(await guest.run(`cat /proc/$(systemctl show -P MainPID ${app.unit})/cgroup`)).toBe(
      `0::${unit}/metactl-supervisor`,
    );
    expect(await guest.run(`cat ${cgroup}/cgroup.procs | xargs ps -o comm= -p`)).toBe('metactl-init\nsleep');
    expect(await guest.run(`cat /sys/fs/cgroup${unit}/cgroup.procs`)).toBe('');
  });

  it('keeps its limits when systemd loads its units again', async () => {
    const app = await run(shell('echo started; exec sleep 1000'), 'memory-max = 64m\ntasks-max = 20');
    await app.until('^started');
    await guest.run(`systemctl daemon-reload; systemctl set-property --runtime ${app.unit} CPUWeight=50`);
    expect(await guest.run(`cat ${app.cgroup()}/memory.max ${app.cgroup()}/pids.max`)).toBe(`${64 * MIB}\n20`);
  });

  it('clones the daemon straight into its cgroup', async () => {
    await configure(
      guest,
      'app',
      `[daemon.main]\nrestart = always\ncommand = ${shell('echo started; sleep 1000; exit 1')}`,
    );
    const app = await start(guest, 'app');
    running.push(app);
    await app.until('^started');
    // From outside: in the unit's cgroup strace would be in the way.
    await guest.run(`strace -qq -o /tmp/trace -e trace=clone3 -p $(systemctl show -P MainPID ${app.unit}) & tracer=$!
sleep 2
for pid in $(cat ${app.cgroup()}/cgroup.procs); do if grep -qx sleep /proc/$pid/comm; then kill $pid; fi; done
for i in $(seq 100); do if grep -q CLONE_INTO_CGROUP /tmp/trace; then break; fi; sleep 0.2; done
kill $tracer`);
    expect(await guest.run('cat /tmp/trace; rm /tmp/trace')).toMatch(/clone3\(\{flags=[A-Z_|]*CLONE_INTO_CGROUP/);
  });

  it('shows the daemon its own cgroup as the root', async () => {
    const app = await run(shell('echo started; exec sleep 1000'), 'memory-max = 64m');
    await app.until('^started');
    expect(await guest.run('metactl exec app main -- cat /proc/self/cgroup /sys/fs/cgroup/memory.max')).toBe(
      `0::/\n${64 * MIB}`,
    );
  });
});

describe('memory', () => {
  it('memory-max: what takes more is killed, reported as out of memory, with all of its daemon', async () => {
    const app = await run(
      shell('tail /dev/zero & echo started; exec sleep 1000'),
      'memory-max = 64m\nmemory-swap-max = 0',
    );
    await app.ended();
    expect(await app.output()).toMatch(/^metactl: app\/main .*out of memory/m);
  });

  it('memory-high: slows it down and takes memory back, without killing', async () => {
    const app = await run(
      shell('echo started; head -c 96m /dev/zero > /tmp/file; echo written; exec sleep 1000'),
      'memory-high = 32m',
    );
    await app.until('^written');
    const events = await guest.run(`cat ${app.cgroup()}/memory.events`);
    expect(Number(/^high (\d+)$/m.exec(events)?.[1])).toBeGreaterThan(0);
    expect(events).toMatch(/^oom_kill 0$/m);
    expect(Number(await guest.run(`cat ${app.cgroup()}/memory.current`))).toBeLessThan(32 * MIB * 1.05);
  });

  it('memory-swap-max: swap is counted on its own', async () => {
    const app = await run(
      shell('echo started; head -c 48m /dev/zero > /tmp/file; echo written; exec sleep 1000'),
      'memory-max = 32m\nmemory-swap-max = 24m',
    );
    await app.until('^written');
    const swapped = Number(await guest.run(`cat ${app.cgroup()}/memory.swap.current`));
    expect(swapped).toBeGreaterThan(14 * MIB);
    expect(swapped).toBeLessThanOrEqual(24 * MIB);
  });

  it('memory-swap-max: what needs more than both is killed', async () => {
    const app = await run(shell('exec head -c 80m /dev/zero > /tmp/file'), 'memory-max = 32m\nmemory-swap-max = 24m');
    await app.ended();
    expect(await app.output()).toMatch(/^metactl: app\/main .*out of memory/m);
  });
});

describe('cpu and tasks', () => {
  it('cpu-weight: two daemons share a contended CPU three to one', async () => {
    const busy = `taskset -c 0 ${shell('echo started; while :; do :; done')}`;
    await configure(
      guest,
      'app',
      `[daemon.main]\ncommand = /usr/bin/${busy}\ncpu-weight = 300\n[daemon.other]\ncommand = /usr/bin/${busy}\ncpu-weight = 100`,
    );
    const app = await start(guest, 'app');
    running.push(app);
    await app.until('^main  *\\| started');
    await app.until('^other *\\| started');
    const usage = `sed -n 's/usage_usec //p' ${app.cgroup('main')}/cpu.stat ${app.cgroup('other')}/cpu.stat`;
    const numbers = (await guest.run(`sleep 1; ${usage}; sleep 6; ${usage}`)).split('\n').map(Number);
    const ratio = (numbers[2]! - numbers[0]!) / (numbers[3]! - numbers[1]!);
    console.log(`cpu-weight 300 to 100: ${ratio.toFixed(2)} to 1`);
    expect(ratio).toBeGreaterThan(2.7);
    expect(ratio).toBeLessThan(3.3);
  });

  it('tasks-max: forks fail, and nothing else does', async () => {
    const app = await run(
      shell('(for i in $(seq 30); do sleep 1000 & done); echo forked; exec sleep 1000'),
      'tasks-max = 10',
    );
    await app.until('^forked');
    expect(await app.output()).toContain('Cannot fork');
    expect(
      await guest.run(
        `grep -x 'max [1-9][0-9]*' ${app.cgroup()}/pids.events >/dev/null && cat ${app.cgroup()}/pids.peak`,
      ),
    ).toBe('10');
  });
});

/** As its manual says: workers that want more than they are given. */
describe('stress-ng stays within 5 % of', () => {
  const stress = (options: string) => `/usr/bin/stress-ng --temp-path /tmp --timeout 60 ${options}`;

  it('cpu-quota', async () => {
    const app = await run(stress('--cpu 2'), 'cpu-quota = 20%');
    await app.until('dispatching hogs');
    const sample = `echo $EPOCHREALTIME; sed -n 's/usage_usec //p' ${app.cgroup()}/cpu.stat`;
    const output = await guest.run(`sleep 1; ${sample}; sleep 10; ${sample}`);
    const [from, used, to, usedThen] = output.split('\n').map(Number);
    const share = (usedThen! - used!) / ((to! - from!) * 1e6);
    console.log(`stress-ng --cpu 2 under cpu-quota 20 %: ${(share * 100).toFixed(2)} %`);
    expect(share).toBeGreaterThan(0.2 * 0.95);
    expect(share).toBeLessThan(0.2 * 1.05);
  });

  it('memory-max', async () => {
    // It is started again in the same cgroup, which so can be looked at after it was killed.
    const app = await run(
      stress('--vm 1 --vm-bytes 256m --vm-populate --oomable'),
      'memory-max = 96m\nmemory-swap-max = 0',
      undefined,
      'always',
    );
    await app.until('out of memory');
    const peak = Number(await guest.run(`cat ${app.cgroup()}/memory.peak`));
    console.log(`stress-ng --vm 1 under memory-max 96 MiB: ${(peak / MIB).toFixed(2)} MiB`);
    expect(peak).toBeGreaterThan(96 * MIB * 0.95);
    expect(peak).toBeLessThanOrEqual(96 * MIB);
  });

  it('tasks-max', async () => {
    const app = await run(stress('--fork 2 --fork-max 100'), 'tasks-max = 40');
    await app.until('dispatching hogs');
    const peak = Number(await guest.run(`sleep 5; cat ${app.cgroup()}/pids.peak`));
    console.log(`stress-ng --fork 2 --fork-max 100 under tasks-max 40: ${peak}`);
    expect(peak).toBeGreaterThanOrEqual(38);
    expect(peak).toBeLessThanOrEqual(40);
  });
});

describe('io-weight', () => {
  const command = shell('echo started; exec sleep 1000');

  it('is an error where no disk obeys it', async () => {
    const app = await run(command, 'io-weight = 50');
    await app.ended();
    expect(await app.output()).toMatch(
      /^metactl: \S+\.conf:\d+: can't enforce io-weight \(no block device uses the BFQ scheduler or has io\.cost switched on\)$/m,
    );
    expect(await guest.run(`systemctl show -P ExecMainStatus ${app.unit}`)).toBe('78');
  });

  it('is the weight of io.cost where a disk has that', async () => {
    await guest.run('echo "$(cat /sys/block/vda/dev) enable=1" > /sys/fs/cgroup/io.cost.qos');
    try {
      const app = await run(command, 'io-weight = 50');
      await app.until('^started');
      expect(await guest.run(`cat ${app.cgroup()}/io.weight`)).toBe('default 50');
    } finally {
      await guest.run('echo "$(cat /sys/block/vda/dev) enable=0" > /sys/fs/cgroup/io.cost.qos');
    }
  });

  it('is the weight of BFQ where a disk uses that', async () => {
    await guest.run('modprobe bfq; echo bfq > /sys/block/vda/queue/scheduler');
    try {
      const app = await run(command, 'io-weight = 1000');
      await app.until('^started');
      expect(await guest.run(`cat ${app.cgroup()}/io.bfq.weight`)).toBe('default 181');
    } finally {
      await guest.run('echo none > /sys/block/vda/queue/scheduler');
    }
  });
});

describe('what a check leaves running', () => {
  it.each([
    ['in a sandbox', ''],
    ['without one', '[sandbox]\nenabled = no\n'],
  ])('ends with it, and the daemon goes on, %s', async (_, sections) => {
    const app = await run(
      shell('echo started; exec sleep 1000'),
      `memory-max = 64m
tasks-max = 20
health = exec:${shell('setsid sleep 4321 & sleep 4322 | grep -q ok')}
health.interval = 1s
health.timeout = 2s
health.threshold = 4
health.action = alert
${sections}`,
    );
    await app.until('^started');
    // v2 allows processes in a cgroup and below it only where no controller is handed on.
    const part =
      await guest.run(`for i in $(seq 100); do if pgrep -fx "sleep 4321" >/dev/null; then break; fi; sleep 0.2; done
cat /proc/$(pgrep -fxo "sleep 4321")/cgroup ${app.cgroup()}/cgroup.subtree_control`);
    expect(part).toMatch(/^0::\/system\.slice\/app-\d+\.service\/metactl\/app\/main\/metactl-probe-\d+$/);
    const processes = `cat ${app.cgroup()}/cgroup.procs`;
    const before = await guest.run(processes);
    await app.until('not well|degraded');
    // One check may be under way.
    const left = await guest.run('pgrep -fxc "sleep 4321|sleep 4322" || true');
    expect(Number(left)).toBeLessThanOrEqual(2);
    expect(await guest.run(`find ${app.cgroup()} -mindepth 1 -type d | wc -l`)).toMatch(/^[012]$/);
    expect(await guest.run(processes)).toBe(before);
    await app.stop();
    expect(await guest.run('pgrep -fx "sleep 4321|sleep 4322" || true')).toBe('');
  });
});

describe('the end', () => {
  it('cgroup.kill: what ignores SIGTERM and has left its session ends with its daemon', async () => {
    const app = await run(
      shell('trap : TERM; setsid sleep 1234 & setsid sleep 1234 & echo started; while :; do sleep 1; done'),
      'timeout-stop-sec = 1s\n[sandbox]\nenabled = no\n',
    );
    await app.until('^started');
    await app.stop();
    expect(await guest.run('pgrep -fx "sleep 1234" || true')).toBe('');
  });

  it('is cleaned up by gc after a supervisor that was killed', async () => {
    const app = await run(shell('echo started; exec sleep 1000'), 'memory-max = 64m', 'Delegate=yes KillMode=process');
    await app.until('^started');
    await guest.run(`systemctl kill -s KILL --kill-whom=main ${app.unit}`);
    await app.ended();
    await guest.run('metactl gc');
  });
});
