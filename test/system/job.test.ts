import { afterEach, describe, expect, it } from 'vitest';
import { configure, type GuestApp, start } from './apps.ts';
import { useGuest } from './guest/use-guest.ts';
import { UPLINK } from './uplink.ts';

/** The main job on a systemd machine whose /usr and /var are volumes of their own. */
const guest = useGuest({ volumes: ['usr', 'var'], disks: { data: 16 } }, async (fresh) => {
  await fresh.run(UPLINK);
  await fresh.run(`mkdir -p /srv/hello; cat > /srv/hello/server.js <<'END'\n${SERVER}\nEND`);
});
const running: GuestApp[] = [];

afterEach(async () => {
  for (const app of running.splice(0)) await app.stop();
});

const SERVER = `
const { readFileSync } = require('node:fs');
require('node:http').createServer((request, response) => {
  response.end(readFileSync('/etc/hostname', 'utf8').trim() + ' for ' + request.socket.remoteAddress + '\\n');
}).listen(80, '0.0.0.0', () => console.log('listening'));
process.on('SIGTERM', () => process.exit(0));
`;

async function hello(more = ''): Promise<GuestApp> {
  await configure(
    guest,
    'hello',
    `[sandbox.net]\nmode = routed\n[daemon.web]\nplatform = node\nnode.script = server.js\nmemory-max = 256m\n${more}`,
  );
  const app = await start(guest, 'hello');
  running.push(app);
  await app.until('listening');
  return app;
}

describe('the guest', () => {
  it('is a Debian 12 with systemd as PID 1, one cgroup v2 tree and nothing failed', async () => {
    expect(await guest.run('. /etc/os-release; echo $ID $VERSION_ID; cat /proc/1/comm')).toBe('debian 12\nsystemd');
    expect(await guest.run('stat -f -c %T /sys/fs/cgroup')).toBe('cgroup2fs');
    expect(await guest.run('systemctl --failed --no-legend; systemctl is-system-running')).toBe('running');
  });

  it('has metactl, installed as the README says', async () => {
    expect(await guest.run('metactl --version')).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('brings status, output and errors of a script back', async () => {
    const { status, stdout, stderr, timedOut } = await guest.attempt('echo out; echo err >&2; exit 7');
    expect({ status, stdout, stderr, timedOut }).toEqual({
      status: 7,
      stdout: 'out\n',
      stderr: 'err\n',
      timedOut: false,
    });
    await expect(guest.run('echo words; false')).rejects.toThrow(
      /^the script ended with 1:\necho words; false\nstdout:\nwords/,
    );
    await expect(guest.run('sleep 30', 500)).rejects.toThrow('the script took too long');
  });
});

describe('an app with a network of its own', () => {
  it('is reached from another server, which it sees, and is gone after its stop', async () => {
    const app = await hello();
    const address = await guest.run('metactl ip hello');
    expect(address).toMatch(/^198\.18\.76\.\d+$/);
    expect(await guest.run(`ip netns exec other curl -sS --max-time 20 http://${address}/`)).toBe(
      'hello for 198.18.76.2',
    );
    expect(await guest.run(`curl -sS --max-time 20 http://${address}/`)).toContain('hello for ');
    await app.stop();
    const gone = await guest.attempt(`ip netns exec other curl -sS --max-time 3 http://${address}/`);
    expect(gone.status).not.toBe(0);
  });

  it('is entered and listed: exec, shell, ps', async () => {
    await hello();
    expect(await guest.run('metactl exec hello -- id -un')).toBe('hello');
    expect(await guest.run('metactl exec hello --as-root -- id -u')).toBe('0');
    const shell = `script -qec 'metactl shell hello' /dev/null <<< $'tty; cat /proc/1/comm; exit 7\\n'`;
    const { stdout, status } = await guest.attempt(shell);
    expect(stdout).toMatch(/\/dev\/pts\/\d+\s+metactl-init/);
    expect(status).toBe(7);
    const processes = JSON.parse(await guest.run('metactl ps hello --json'));
    expect(JSON.stringify(processes)).toContain('server.js');
  });

  it('cleans up after a supervisor that was killed', async () => {
    const app = await hello();
    await guest.run(`systemctl kill -s KILL --kill-whom=main ${app.unit}`);
    await app.ended();
    expect(await guest.run('ls /run/netns')).toContain('metactl-hello');
    await guest.run('metactl gc');
    expect(await guest.run('ls /run/netns')).toBe('other');
  });

  it('runs from a shell, in a scope that it asks systemd for', async () => {
    await guest.run(
      `setsid metactl run hello > /tmp/log 2>&1 < /dev/null & echo $! > /tmp/pid
while ! grep -q listening /tmp/log; do if [ $SECONDS -gt 120 ]; then cat /tmp/log >&2; exit 1; fi; sleep 0.2; done`,
      150_000,
    );
    const cgroup = await guest.run('cat /proc/$(cat /tmp/pid)/cgroup');
    expect(cgroup).toMatch(/^0::\/system\.slice\/metactl-hello-\d+\.scope\/metactl-supervisor$/);
    const scope = cgroup.split('/')[2]!;
    expect(await guest.run(`systemctl show -P Delegate ${scope}`)).toBe('yes');
    expect(await guest.run(`cat /sys/fs/cgroup/system.slice/${scope}/metactl/hello/web/memory.max`)).toBe(
      String(2 ** 28),
    );
    expect(await guest.run('metactl exec hello -- cat /proc/self/cgroup')).toBe('0::/');
    await guest.run('kill $(cat /tmp/pid); tail --pid=$(cat /tmp/pid) -f /dev/null; rm /tmp/log /tmp/pid', 150_000);
    const left = `systemctl list-units --all --no-legend '${scope}'`;
    await guest.run(
      `while [ -n "$(${left})" ]; do if [ $SECONDS -gt 50 ]; then ${left} >&2; exit 1; fi; sleep 0.2; done`,
    );
  });

  it('does not run in a service of its own that keeps its cgroup to itself', async () => {
    const app = await start(guest, 'hello', '');
    running.push(app);
    await app.ended();
    expect(await app.output()).toContain(`metactl: ${app.unit} does not delegate its cgroup\n`);
    expect(await guest.run(`systemctl show -P ExecMainStatus ${app.unit}`)).toBe('78');
  });
});

describe('volumes', () => {
  it('are what this machine has', async () => {
    expect(
      await guest.run(
        'findmnt -nro TARGET,FSTYPE / /usr /var || true; findmnt -nro FSTYPE /usr; findmnt -nro FSTYPE /var',
      ),
    ).toMatch(/ext4\next4$/);
  });

  it('/usr is there inside, read-only and without set-user-id', async () => {
    await hello();
    expect(await guest.run("metactl exec hello -- sh -c 'findmnt -nro FSTYPE,OPTIONS /usr'")).toMatch(
      /^ext4 ro,nosuid/,
    );
    const write = await guest.attempt('metactl exec hello --as-root -- touch /usr/there');
    expect(write.stderr).toContain('Read-only file system');
  });

  it("/var is not there, except for what is the app's own", async () => {
    await guest.run('mkdir -p /var/lib/other; echo secret > /var/lib/other/file');
    await hello();
    expect(await guest.run('metactl plan hello')).toMatch(/left out +\/var \(ext4 /);
    expect((await guest.attempt('metactl exec hello -- cat /var/lib/other/file')).stderr).toContain('No such file');
    expect((await guest.attempt('metactl exec hello -- ls /var/lib/dpkg')).stderr).toContain('No such file');
    await guest.run("metactl exec hello -- sh -c 'echo kept > $STATE_DIRECTORY/file'");
    expect(await guest.run('cat /var/lib/metactl/apps/hello/state/file')).toBe('kept');
    expect(await guest.run('findmnt -nro TARGET -T /var/lib/metactl/apps/hello/state')).toBe('/var');
  });

  it('others are there when they are named', async () => {
    expect(await guest.run('blkid -o value -s LABEL /dev/disk/by-id/virtio-data')).toBe('data');
    await guest.run('mkdir -p /mnt/data; mount /dev/disk/by-id/virtio-data /mnt/data; echo there > /mnt/data/file');
    await hello();
    expect((await guest.attempt('metactl exec hello -- cat /mnt/data/file')).status).toBe(1);
    expect(await guest.run('metactl plan hello')).toMatch(/left out +\/mnt\/data \(ext4 /);
    for (const app of running.splice(0)) await app.stop();
    await hello('[sandbox.mounts]\n/mnt/data = ro\n');
    expect(await guest.run('metactl exec hello -- cat /mnt/data/file')).toBe('there');
  });
});

// Two boots, of which each may take a minute beside other work.
it('goes on after a reboot: no address is lost, nothing is left over', async () => {
  await hello();
  const address = await guest.run('metactl ip hello');
  await guest.reboot();
  running.length = 0;
  await guest.run(UPLINK);
  await hello();
  expect(await guest.run('metactl ip hello')).toBe(address);
  expect(await guest.run(`ip netns exec other curl -sS --max-time 20 http://${address}/`)).toBe(
    'hello for 198.18.76.2',
  );
}, 300_000);
