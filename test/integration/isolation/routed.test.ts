import { describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import type { ProbeReport } from '../../helpers/probe.ts';
import { makeProbeApp, type ProbeApp, parsed } from '../../helpers/probe-app.ts';
import { runMetactl } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useProbeLab } from '../../helpers/use-scratch.ts';
import { byPath, expectedMounts, printedPlan, seenMounts } from './planned.ts';

leakCheck();

let scratch: Scratch;
let app: ProbeApp;

useProbeLab((made) => {
  scratch = made;
  app = makeProbeApp(scratch, 'shop', { mode: 'routed' });
});

describe('a sandbox with a network of its own', () => {
  it('has one address, one link beside loopback, one route, and may bind every port', async () => {
    await app.start();
    const { stdout } = await runMetactl(['ip', 'shop'], { root: app.root });
    const address = stdout.trim();
    expect(address).toMatch(/^198\.18\.76\.\d+$/);
    const report = await app.report(['files', 'network', 'syscalls']);
    expect([...report.links].sort()).toEqual(['lo', 'veth0']);
    expect(report.addresses.filter(({ family }) => family === 'inet')).toEqual([
      { link: 'lo', family: 'inet', address: '127.0.0.1', prefix: 8, up: 1 },
      { link: 'veth0', family: 'inet', address, prefix: 32, up: 1 },
    ]);
    // No IPv6 unless it is configured: no link-local address that nobody asked for.
    expect(report.addresses.filter(({ link, family }) => link !== 'lo' && family === 'inet6')).toEqual([]);
    expect(report.routes).toEqual([{ link: 'veth0', destination: '0.0.0.0', gateway: '0.0.0.0', prefix: 0 }]);
    expect(report.unprivilegedPortStart).toBe('0\n');
    expect(report.files['/etc/hosts']).toMatch(new RegExp(`^${address.replaceAll('.', '\\.')} shop$`, 'm'));
    expect(report.syscalls).toMatchObject({ 'socket:raw': 'EPERM', 'socket:packet': 'EAFNOSUPPORT' });
  });

  it('is as tight as one without, for daemon, exec and exec --fresh', async () => {
    app.configure({ mode: 'routed', daemons: { main: 'report process files' } });
    const { root } = await printedPlan(app.root, 'shop');
    const daemon = parsed<ProbeReport>(await app.run());
    const planned = expectedMounts(root);
    expect(seenMounts(daemon.mounts, planned)).toEqual(byPath(planned));
    app.configure({ mode: 'routed' });
    await app.start();
    const [entered, fresh] = [await app.report(['process']), await app.report(['process'], ['--fresh'])];
    for (const report of [daemon, entered, fresh]) {
      expect(Object.keys(report.descriptors)).toEqual(['0', '1', '2']);
      expect(report.status).toMatchObject({ CapEff: '0000000000000000', CapBnd: '0000000000000000', Seccomp: '2' });
    }
    // The app's network is one for all that runs of it.
    expect(fresh.namespaces.net).toBe(entered.namespaces.net);
    expect(fresh.namespaces.pid).not.toBe(entered.namespaces.pid);
  });

  it('daemons of one app share network and /tmp, but see no process of each other', async () => {
    app.configure({ mode: 'routed', daemons: { main: 'hold', other: 'hold' } });
    await app.start(['main']);
    await app.start(['other']);
    const [main, other] = [await app.report(['process'], ['main']), await app.report(['process'], ['other'])];
    const same = Object.entries(main.namespaces).filter(([name, inode]) => inode === other.namespaces[name]);
    expect(same.map(([name]) => name).sort()).toEqual(['net', 'time', 'user']);
    expect(main.processes).toHaveLength(3);
    expect(await app.attack(['open', '/tmp/here', 'create'], ['main'])).toMatchObject({ result: 'ok' });
    expect(await app.attack(['open', '/tmp/here', 'r'], ['other'])).toMatchObject({ result: 'ok' });
    expect(await app.attack(['open', '/dev/shm/here', 'create'], ['main'])).toMatchObject({ result: 'ok' });
    expect(await app.attack(['open', '/dev/shm/here', 'r'], ['other'])).toMatchObject({ result: 'ENOENT' });
  });
});
