import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { runMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

leakCheck();

let scratch: Scratch;
let directory: string;

beforeEach(() => {
  scratch = makeScratch();
  directory = scratch.appDirectory('shop', { 'main.sh': '#!/bin/sh\ntouch "$STATE_DIRECTORY/started"\n' });
});
afterEach(() => scratch.remove());

const conf = (name: string) => `${scratch.root}/etc/metactl/nodes/${name}.conf`;

/** A node file that starts, with lines added to its [daemon.main] (first line: 6). */
function write(lines: string, { command = 'command = ./main.sh', head = '' } = {}): void {
  scratch.node(
    'shop',
    `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n[daemon.main]\n${command}\n${lines}\n${head}`,
  );
}

/** Runs it and expects a refusal with exactly this text, before anything was started or made. */
async function expectRefusal(message: string, status = 78, args: readonly string[] = ['run', 'shop']): Promise<void> {
  const outcome = await runMetactl(args, { root: scratch.root });
  expect({ stderr: outcome.stderr, status: outcome.status }).toEqual({ stderr: `metactl: ${message}\n`, status });
  expect(existsSync(join(scratch.root, 'run/metactl'))).toBe(false);
  expect(existsSync(join(scratch.root, 'var/lib/metactl/leases.json'))).toBe(false);
  expect(existsSync(join(scratch.root, 'var/lib/metactl/apps/shop/state'))).toBe(false);
}

describe('bad input starts nothing', () => {
  it('unknown platform', async () => {
    write('platform = jetti9', { command: '' });
    await expectRefusal(
      `${conf('shop')}:7:12: found the platform \`jetti9\`, expected one of exec, node, jvm, jetty6, jetty7, jetty8, jetty9, jetty10, jetty11, jetty12; did you mean \`jetty9\`?`,
    );
  });

  it('unknown key', async () => {
    write('memory-mx = 1g');
    await expectRefusal(
      `${conf('shop')}:7:1: found the key \`memory-mx\`, expected a key of [daemon.main]; did you mean \`memory-max\`?`,
    );
  });

  it('a name that developers chose to look like more', async () => {
    scratch.node('shop', `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n`);
    const script = String.raw`"a\u009b31m\n\x1b[2Jmetactl: shop/x is up\u202e\n.js"`;
    writeFileSync(join(directory, '.metactl'), `[daemon.x]\nplatform = node\nnode.script = ${script}\n`);
    const shown = String.raw`a\x9b31m\n\x1b[2Jmetactl: shop/x is up\u202e\n.js`;
    await expectRefusal(
      `${directory}/.metactl:3: the script ${directory}/${shown} is not there\n  step: check the command line\n  hint: install it, or correct the path`,
    );
    const { stderr } = await runMetactl(['run', 'shop', '--json'], { root: scratch.root });
    expect(stderr).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    expect(JSON.parse(stderr).error.path).toBe(`${directory}/a\u009b31m\n\x1b[2Jmetactl: shop/x is up\u202e\n.js`);
  });

  it('a device that no app gets', async () => {
    write('', { head: '[sandbox]\ndevices = /dev/vda\n' });
    await expectRefusal(
      `${conf('shop')}:9: [sandbox] devices: \`/dev/vda\` can't be given to a sandbox\n  hint: these can: /dev/fuse /dev/net/tun /dev/kvm /dev/hwrng`,
    );
  });

  it('a working directory that is not in the release', async () => {
    write(`working-directory = ${directory}/work`);
    await expectRefusal(
      `${conf('shop')}:7: the working directory ${directory}/work is not there\n  step: check the command line\n  hint: make it, or set working-directory to one that is there`,
    );
    write(`working-directory = ${directory}/main.sh`);
    await expectRefusal(
      `${conf('shop')}:7: the working directory ${directory}/main.sh is no directory\n  step: check the command line\n  hint: make it, or set working-directory to one that is there`,
    );
  });

  it('but not a working directory that a mount makes', async () => {
    mkdirSync(join(directory, 'data'));
    write(`working-directory = ${directory}/data/x\nrestart = no`, {
      command: 'command = pwd',
      head: `[sandbox.mounts]\n${directory}/data = from:/usr\n`,
    });
    const { stderr } = await runMetactl(['run', 'shop'], { root: scratch.root });
    expect(stderr).toMatch(/^metactl: enter working directory/);
  });

  it.each(['status', 'stop', 'restart', 'reload'])(
    'tells %s of a broken configuration, not of a missing daemon',
    async (verb) => {
      scratch.node('shop', '[daemon.main\ncommand = true\n');
      const told = `${conf('shop')}:1:1: found \`[daemon.main\`, expected a ] that closes the section header`;
      const { stderr, status } = await runMetactl([verb, 'shop'], { root: scratch.root });
      expect(stderr.split('\n')[0]).toBe(`metactl: ${told}`);
      expect(status).toBe(78);
    },
  );

  it.each([
    [['run'], "missing required argument 'app'", 'metactl run --help', 125],
    [['ps', '--nosuch'], "unknown option '--nosuch'", 'metactl ps --help', 2],
    [['stat'], "unknown command 'stat' (Did you mean start?)", 'metactl --help', 2],
  ])('the command line %j', async (args, message, help, status) => {
    expect(await runMetactl(args, { root: scratch.root })).toMatchObject({
      stderr: `metactl: ${message}\n  hint: ${help} tells how it is used\n`,
      status,
    });
  });

  it('several problems at once', async () => {
    write('memory-mx = 1g\nnice = fast');
    const { stderr, status } = await runMetactl(['run', 'shop'], { root: scratch.root });
    expect(status).toBe(78);
    expect(stderr.split('\n').filter((line) => line.includes(conf('shop')))).toHaveLength(2);
  });

  it('missing command', async () => {
    write('', { command: '' });
    await expectRefusal(
      `${conf('shop')}:5: [daemon.main] has no \`command\`\n  step: make the command line\n  hint: set command = PROGRAM ARGUMENTS, or a platform such as jvm`,
    );
  });

  it('relative [app] directory', async () => {
    scratch.node('shop', '[app]\ndirectory = apps/shop\n[daemon.main]\ncommand = ./main.sh\n');
    await expectRefusal(`${conf('shop')}:2:13: found \`apps/shop\`, expected an absolute path`);
  });

  it('relative mount point and relative from:', async () => {
    write('', { head: '[sandbox.mounts]\ndata = ro\n' });
    await expectRefusal(
      `${conf('shop')}:9:1: found the key \`data\` in [sandbox.mounts], expected an absolute path, without . and .. and a slash at its end`,
    );
    write('', { head: '[sandbox.mounts]\n/srv = from:data\n' });
    await expectRefusal(
      `${conf('shop')}:9:8: found \`from:data\`, expected ro, rw, hide, tmpfs[:SIZE] or [ro:|rw:]from:/other (absolute)`,
    );
  });

  it('a mount source that is not there', async () => {
    write('', { head: '[sandbox.mounts]\n/srv = from:/no/such/place\n' });
    await expectRefusal(
      `${conf('shop')}:9: \`/no/such/place\` isn't there on this server\n  hint: mount or create it first, or take the line out`,
    );
  });

  it('absent jar', async () => {
    write('platform = jvm\njvm.jar = job.jar', { command: '' });
    const outcome = await runMetactl(['run', 'shop'], { root: scratch.root });
    expect(outcome.status).toBe(78);
    expect(outcome.stderr).toContain(`${conf('shop')}:8: the jar ${directory}/job.jar is not there`);
  });

  it('a user and a group that do not exist', async () => {
    write('user = no-such-user');
    await expectRefusal(
      `${conf('shop')}:7: [daemon.main] user: there is no user \`no-such-user\` on this server\n  hint: create it (useradd --system), or leave the key out: the app then gets an id of its own`,
    );
    write('group = no-such-group');
    await expectRefusal(
      `${conf('shop')}:7: [daemon.main] group: there is no group \`no-such-group\` on this server\n  hint: create it (groupadd --system), or take it out`,
    );
  });

  it('root', async () => {
    write('user = root');
    await expectRefusal(
      `${conf('shop')}:7: [daemon.main] user: \`root\` is not allowed in a sandbox\n  hint: use another user, or set [sandbox] user-namespace = yes in the node file: root inside is then nobody outside; with allow-root = yes it is the root of this server`,
    );
  });

  it('what this version has not got and would protect', async () => {
    write('', { head: '[hooks]\non-oom = /bin/x\n' });
    await expectRefusal(`${conf('shop')}:9:10: \`[hooks] on-oom\` = \`/bin/x\` is not in this version of metactl`);
    write('', { head: '[hooks]\non-failure = /bin/x\n' });
    await expectRefusal(`${conf('shop')}:9:14: \`[hooks] on-failure\` = \`/bin/x\` is not in this version of metactl`);
  });

  it('a limit that this kernel lacks', async () => {
    write('memory-high = 100m');
    const outcome = await runMetactl(['run', 'shop'], { root: scratch.root });
    expect(outcome.status).toBe(78);
    expect(outcome.stderr).toContain(`metactl: ${conf('shop')}:7: can't enforce memory-high`);
    expect(outcome.stderr).toContain('best-effort = yes');
  });

  it('an address outside the pool', async () => {
    scratch.metactlConf('[network]\npool = 10.213.7.0/29\n');
    scratch.node(
      'shop',
      `[app]\ndirectory = ${directory}\n[sandbox.net]\nip = 10.99.0.1\n[daemon.main]\ncommand = ./main.sh\n`,
    );
    await expectRefusal(
      '[sandbox.net] ip: 10.99.0.1 is outside the pool 10.213.7.0/29\n  step: lease an address\n  hint: choose another one, or leave the key out: the app then gets one that stays the same',
    );
  });

  it('an address in use, and a full pool', async () => {
    scratch.metactlConf('[network]\npool = 10.213.7.0/30\n');
    mkdirSync(join(scratch.root, 'var/lib/metactl'), { recursive: true });
    const leases = join(scratch.root, 'var/lib/metactl/leases.json');
    const text = '{"version":1,"apps":{"other":{"address":"10.213.7.1"},"third":{"address":"10.213.7.2"}}}';
    writeFileSync(leases, text);
    scratch.node(
      'shop',
      `[app]\ndirectory = ${directory}\n[sandbox.net]\nip = 10.213.7.1\n[daemon.main]\ncommand = ./main.sh\n`,
    );
    const used = await runMetactl(['run', 'shop'], { root: scratch.root });
    expect(used).toMatchObject({ status: 78 });
    expect(used.stderr).toMatch(/^metactl: \[sandbox\.net\] ip: 10\.213\.7\.1 is leased to the app other\n/);
    scratch.node('shop', `[app]\ndirectory = ${directory}\n[daemon.main]\ncommand = ./main.sh\n`);
    const full = await runMetactl(['run', 'shop'], { root: scratch.root });
    expect(full).toMatchObject({ status: 125 });
    expect(full.stderr).toMatch(/^metactl: the pool 10\.213\.7\.0\/30 has no free address for shop\n/);
    expect(readFileSync(leases, 'utf8')).toBe(text);
  });

  it('damaged leases are kept as they are', async () => {
    mkdirSync(join(scratch.root, 'var/lib/metactl'), { recursive: true });
    const leases = join(scratch.root, 'var/lib/metactl/leases.json');
    writeFileSync(leases, '{"version":1,"apps":{"web"');
    write('');
    const outcome = await runMetactl(['run', 'shop'], { root: scratch.root });
    expect(outcome).toMatchObject({ status: 125 });
    expect(outcome.stderr).toContain(`${leases} is damaged`);
    expect(readFileSync(leases, 'utf8')).toBe('{"version":1,"apps":{"web"');
  });

  it('an unwritable state directory', async () => {
    write('');
    writeFileSync(join(scratch.root, 'var'), 'a file where a directory should be');
    const outcome = await runMetactl(['run', 'shop'], { root: scratch.root });
    expect(outcome).toMatchObject({ status: 125 });
    expect(outcome.stderr).toContain(`${scratch.root}/var/lib/metactl`);
    expect(outcome.stderr).toContain('ENOTDIR');
    expect(readdirSync(scratch.root).sort()).toEqual(['apps', 'etc', 'var']);
  });

  it.each([
    ['Web', "`Web` can't be the name of an app"],
    ['../etc', "`../etc` can't be the name of an app"],
    ['run', '`run`'],
    ['all', '`all`'],
  ])('the name %s', async (name, part) => {
    const outcome = await runMetactl(['run', name], { root: scratch.root });
    expect(outcome.status).toBe(125);
    expect(outcome.stderr).toContain(part.split(' ')[0]!);
  });

  it('an app that is not there, and a daemon it has not got', async () => {
    write('');
    expect(await runMetactl(['run', 'wob'], { root: scratch.root })).toMatchObject({ status: 125 });
    const outcome = await runMetactl(['run', 'shop', 'man'], { root: scratch.root });
    expect(outcome.stderr).toBe('metactl: shop has no daemon `man`; did you mean `main`?\n  hint: it has main\n');
    expect(outcome.status).toBe(125);
  });

  it('no root', async () => {
    write('');
    for (const path of ['etc/metactl/nodes', 'etc/metactl/nodes/shop.conf']) chmodSync(join(scratch.root, path), 0o755);
    const options = { root: scratch.root, uid: 65534, gid: 65534 };
    for (const [args, what] of [
      [['gc'], 'remove what was left behind'],
      [['shell', 'shop'], 'enter the sandboxes of shop'],
      [['exec', 'shop', '--', 'id'], 'enter the sandboxes of shop'],
    ] as const) {
      expect(await runMetactl(args, options)).toMatchObject({
        stderr: `metactl: only root may ${what}\n  hint: run it as root\n`,
        status: 77,
      });
    }
    const sandboxed = await runMetactl(['run', 'shop'], options);
    expect(sandboxed).toMatchObject({ status: 77, stdout: '' });
    expect(sandboxed.stderr).toBe(
      'metactl: a sandbox needs root\n  hint: run it as root, or with --no-sandbox to run it without any isolation\n',
    );
    expect(existsSync(join(scratch.root, 'run'))).toBe(false);
  });
});
