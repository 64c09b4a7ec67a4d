import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Lab, makeLab } from '../../helpers/lab.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { type Running, runMetactl, startMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';
import { output, Program, UDP_ECHO } from '../network/site.ts';

leakCheck();

let lab: Lab;
let scratch: Scratch;
let running: Running | undefined;

beforeEach(async () => {
  lab = await makeLab();
  scratch = makeScratch();
  scratch.metactlConf(lab.metactlConf);
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
  scratch.remove();
  lab.close();
});

/** An app with one daemon: what bash does with a script. */
function write(script: string, firewall: string, app = 'shop'): void {
  const directory = scratch.appDirectory(app, { run: script });
  const daemon = `[daemon.main]\ncommand = /bin/bash ./run\nrestart = no\n`;
  scratch.node(app, `[app]\ndirectory = ${directory}\n${daemon}${firewall}`);
}
const metactl = (...args: string[]) => runMetactl(args, { root: scratch.root });
const RESOLVED =
  'shop/main has no reload-signal and was told nothing; the names in [firewall.out.accept] were resolved again\n';
const REJECT = '[firewall.out]\npolicy = reject\n';
const tables = () =>
  output('nft', 'list', 'tables')
    .split('\n')
    .filter((line) => line.includes('-out'));

describe('an app with [firewall.out]', () => {
  it('gets not a single packet out, from its first instruction on', async () => {
    // A builtin of the shell: nothing is started before the datagram.
    write(`echo x > /dev/udp/${lab.otherAddress}/7\n`, REJECT);
    const server = new Program(lab.otherNetns, UDP_ECHO);
    try {
      await server.line(1);
      for (let i = 0; i < 8; i++) expect((await metactl('run', 'shop')).status).toBe(0);
      write(`echo x > /dev/udp/${lab.otherAddress}/7\n`, '');
      expect((await metactl('run', 'shop')).status).toBe(0);
      await server.line(2);
      // Only the one without a firewall came.
      expect(server.lines).toHaveLength(2);
    } finally {
      await server.end();
    }
    expect(tables()).toEqual([]);
  });

  it('shows in the plan what nft shows, with addresses and what does not resolve', async () => {
    const accept = '[firewall.out.accept]\nhere = localhost:80\nnet = 10.0.0.0/8\ngone = nowhere.invalid:1\n';
    write('echo up; exec sleep 1000\n', `${REJECT}${accept}`);
    const { stdout, stderr } = await metactl('plan', 'shop');
    expect(stdout).toMatch(/^ {2}firewall {5}accept here: localhost:80, now (?:.* )?127\.0\.0\.1/m);
    expect(stdout).toMatch(/^ {2}firewall {5}accept net: 10\.0\.0\.0\/8$/m);
    expect(stdout).toMatch(/^ {2}firewall {5}accept gone: nowhere\.invalid:1, now nothing \(E/m);
    expect(stdout).toContain('  firewall     reject all other connections that the app opens\n');
    expect(stderr).toMatch(
      /warning: \[firewall\.out\.accept\] gone: nowhere\.invalid does not resolve \(E\w+\); it allows nothing until it does\n/,
    );
    running = startMetactl(['run', 'shop'], { root: scratch.root });
    await running.waitFor(/up/);
    expect(running.output.stderr).toContain('gone: nowhere.invalid does not resolve');
    const chain = output('nft', '-s', 'list', 'chain', 'inet', tables()[0]!.split(' ').at(-1)!, 'app-shop');
    const rules = chain
      .split('\n')
      .slice(2, -3)
      .map((line) => `  rule                 ${line.trim()}\n`);
    for (const rule of rules) expect(stdout).toContain(rule);
    const json = JSON.parse((await metactl('--json', 'plan', 'shop')).stdout);
    expect(json.firewallRules).toContain('chain app-shop');
    expect(json.daemons[0].firewall.accept[1].networks).toEqual(['10.0.0.0/8']);
  });

  it('has its names resolved again on SIGHUP, and its rules put back', async () => {
    write('echo up; exec sleep 1000\n', `${REJECT}[firewall.out.accept]\nhere = localhost:80\n`);
    running = startMetactl(['run', 'shop'], { root: scratch.root });
    await running.waitFor(/up/);
    const resolvedAt = () =>
      JSON.parse(readFileSync(join(scratch.root, 'run/metactl/shop/firewall_out.json'), 'utf8')).resolvedAt;
    const before = resolvedAt();
    const [table] = tables();
    output('nft', 'delete', 'table', 'inet', table!.split(' ').at(-1)!);
    running.child.kill('SIGHUP');
    await expect.poll(resolvedAt, { timeout: 5_000 }).toBeGreaterThan(before);
    await running.waitFor(/warning: the firewall rules of the app had been removed; they are back/);
    expect(tables()).toEqual([table]);
  });

  it('has its rules back at once when somebody flushes them all', async () => {
    write('echo up; exec sleep 1000\n', `${REJECT}[firewall.out.accept]\nhere = 10.0.0.0/8:80\n`);
    running = startMetactl(['run', 'shop'], { root: scratch.root });
    await running.waitFor(/up/);
    const [table] = tables();
    const name = table!.split(' ').at(-1)!;
    const whole = () => output('nft', '-s', 'list', 'table', 'inet', name);
    const before = whole();
    for (const damage of [
      ['delete', 'table', 'inet', name],
      ['flush', 'chain', 'inet', name, 'forward'],
      ['flush', 'set', 'inet', name, 'accept4-shop'],
    ]) {
      const begun = performance.now();
      output('nft', ...damage);
      await expect.poll(() => tables().length > 0 && whole(), { interval: 20, timeout: 4_000 }).toBe(before);
      expect(performance.now() - begun).toBeLessThan(1_500);
    }
  });

  it('has its names resolved again by reload, which sends no signal that is not asked for', async () => {
    write('echo up; exec sleep 1000\n', `${REJECT}resolve-interval = 1h\n[firewall.out.accept]\nhere = localhost:80\n`);
    const file = join(scratch.root, 'run/metactl/shop/firewall_out.json');
    const resolvedAt = () => JSON.parse(readFileSync(file, 'utf8')).resolvedAt;
    const reload = async () => {
      const before = resolvedAt();
      expect(await metactl('reload', 'shop')).toMatchObject({ stdout: RESOLVED, stderr: '', status: 0 });
      expect(resolvedAt()).toBeGreaterThan(before);
      expect((await metactl('status', 'shop')).status).toBe(0);
    };
    running = startMetactl(['run', 'shop'], { root: scratch.root });
    await running.waitFor(/up/);
    await reload();
    await running.stop();
    running = undefined;
    try {
      expect(await metactl('start', 'shop')).toMatchObject({ stderr: '', status: 0 });
      await reload();
    } finally {
      await metactl('stop', 'all');
    }
  });

  it('has its names resolved again on SIGHUP also in the background', async () => {
    write('exec sleep 1000\n', `${REJECT}resolve-interval = 1h\n[firewall.out.accept]\nhere = localhost:80\n`);
    try {
      expect(await metactl('start', 'shop')).toMatchObject({ stderr: '', status: 0 });
      const file = join(scratch.root, 'run/metactl/shop/firewall_out.json');
      const resolvedAt = () => JSON.parse(readFileSync(file, 'utf8')).resolvedAt;
      const before = resolvedAt();
      const [{ supervisor, state }] = JSON.parse((await metactl('status', '--json')).stdout);
      expect(state).toBe('running');
      process.kill(supervisor.pid, 'SIGHUP');
      await expect.poll(resolvedAt, { timeout: 5_000 }).toBeGreaterThan(before);
    } finally {
      await metactl('stop', 'all');
    }
  });

  it('can ping what it may, as its own user and as root inside, without raw sockets', async () => {
    write('echo up; exec sleep 1000\n', `${REJECT}[firewall.out.accept]\nother = ${lab.otherAddress}/icmp\n`);
    running = startMetactl(['run', 'shop'], { root: scratch.root });
    await running.waitFor(/up/);
    // The kernel puts its own identifier and checksum in.
    const program = `import socket, struct
try: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
except PermissionError as error: print(error.errno)
for address in ('${lab.otherAddress}', '${lab.hostAddress}'):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    s.settimeout(5)
    try:
        s.connect((address, 0))
        s.send(struct.pack('!BBHHH', 8, 0, 0, 0, 1))
        print('answer', s.recv(100)[0])
    except OSError as error: print('error', error.errno)`;
    for (const options of [[], ['--as-root']]) {
      const { stdout } = await metactl('exec', 'shop', ...options, '--', '/usr/bin/python3', '-c', program);
      expect(stdout).toBe('1\nanswer 0\nerror 113\n');
    }
    const why = (await metactl('why', 'shop')).stdout;
    expect(why).toContain(`  icmp ${lab.hostAddress}, 2 packets, `);
    expect(why).toContain(`\`LABEL = ${lab.hostAddress}/icmp\``);
  });

  it('tells where a list of what to accept protects nothing', async () => {
    write('true', '[firewall.out.accept]\nhere = localhost:80\n');
    const told =
      ': [firewall.out.accept] protects nothing: without [firewall.out] policy the app may connect to everything';
    expect((await metactl('run', 'shop')).stderr).toContain(`nodes/shop.conf:7${told}\n`);
    expect((await metactl('check', 'shop')).stdout + (await metactl('check', 'shop')).stderr).toContain(told);
    write('true', '[firewall.out]\npolicy = accept\n[firewall.out.accept]\nhere = localhost:80\n');
    expect((await metactl('run', 'shop')).stderr).toBe('');
  });

  it('leaves nothing when its supervisor is killed and gc has come by', async () => {
    write('echo up; exec sleep 1000\n', REJECT);
    running = startMetactl(['run', 'shop'], { root: scratch.root });
    await running.waitFor(/up/);
    running.child.kill('SIGKILL');
    await running.ended;
    expect(tables()).toHaveLength(1);
    expect((await metactl('gc', '--dry-run')).stdout).toContain('app-shop');
    expect((await metactl('gc')).status).toBe(0);
    expect(tables()).toEqual([]);
  });

  it('is not started where the policy can’t be kept, but for --no-sandbox', async () => {
    write('echo up\n', `${REJECT}[sandbox]\nenabled = no\n`);
    const refused = await metactl('run', 'shop');
    expect([refused.status, refused.stdout]).toEqual([78, '']);
    expect(refused.stderr).toContain("[firewall.out] policy = reject needs a network of the app's own");
    const why = await metactl('why', 'shop');
    expect([why.status, why.stdout]).toEqual([
      3,
      expect.stringContaining("reject needs a network of the app's own; take"),
    ]);
    expect(why.stdout).not.toContain('do: start it');
    expect((await metactl('run', 'shop', '--no-sandbox')).stdout).toBe('up\n');
  });

  it('loses its firewall with the next start after the policy is gone', async () => {
    write('echo up; exec sleep 1000\n', REJECT);
    running = startMetactl(['run', 'shop'], { root: scratch.root });
    await running.waitFor(/up/);
    running.child.kill('SIGKILL');
    await running.ended;
    write('echo up; exec sleep 1000\n', '');
    running = startMetactl(['run', 'shop'], { root: scratch.root });
    await running.waitFor(/up/);
    expect(tables()).toEqual([]);
  });

  it('is explained by why: what was refused, what does not resolve, what changed', async () => {
    const accept = '[firewall.out.accept]\ngone = nowhere.invalid:1\n';
    write(`echo x > /dev/udp/${lab.otherAddress}/7; echo up; exec sleep 1000\n`, `${REJECT}${accept}`);
    const before = await metactl('why', 'shop');
    expect([before.status, before.stdout]).toEqual([3, expect.stringContaining('error: shop/main is not running\n')]);
    running = startMetactl(['run', 'shop'], { root: scratch.root });
    await running.waitFor(/up/);
    const why = await metactl('why', 'shop');
    expect(why.status).toBe(1);
    expect(why.stdout).toMatch(/^shop: 1 of 1 daemons running\n {2}main {6}pid \d+, started .*ago|just now/);
    expect(why.stdout).toMatch(
      /warning: 1 name in \[firewall\.out\.accept\] of shop did not resolve\n {2}gone: nowhere\.invalid: E/,
    );
    expect(why.stdout).toContain('warning: the firewall refused 1 packet of shop since it was started\n');
    expect(why.stdout).toContain(`  udp ${lab.otherAddress}:7, 1 packet, `);
    expect(why.stdout).toContain(`\`LABEL = ${lab.otherAddress}:7/udp\``);
    write('', REJECT);
    const json = JSON.parse((await metactl('--json', 'why', 'shop')).stdout);
    expect(json.findings.map(({ id }: { id: string }) => id)).toEqual([
      'firewall-changed',
      'name-unresolved',
      'refused',
    ]);
    expect((await metactl('why', 'nobody')).status).toBe(4);
  });
});
