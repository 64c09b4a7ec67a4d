import { chmodSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import type { ProbeReport } from '../../helpers/probe.ts';
import { makeProbeApp, type ProbeApp } from '../../helpers/probe-app.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useProbeLab } from '../../helpers/use-scratch.ts';
import { byPath, expectedMounts, printedPlan, seenMounts } from './planned.ts';

leakCheck();

let scratch: Scratch;
let app: ProbeApp;

useProbeLab((made) => {
  scratch = made;
  app = makeProbeApp(scratch, 'shop');
});

/** Configures one daemon by a shell script that is started again and again. */
function script(mode: string, lines: readonly string[], more = ''): void {
  scratch.appDirectory('shop', { 'main.sh': `#!/bin/sh\nunset PWD\n${lines.join('\n')}\n` });
  const net = mode === 'none' ? '[sandbox.net]\nmode = none\n' : '';
  const restart = 'restart = always\nrestart-sec = 10ms\nrestart-max-delay-sec = 20ms\n';
  scratch.node(
    'shop',
    `[app]\ndirectory = ${app.directory}\n${net}[daemon.main]\ncommand = ./main.sh\n${restart}${more}`,
  );
}

const FACTS = ['uid', 'gid', 'groups', 'descriptors', 'rlimits', 'umask', 'environment', 'cwd', 'hostname'] as const;
const MORE_FACTS = ['devices', 'writable', 'files', 'links', 'routes', 'syscalls', 'processes'] as const;
const STATUS = /^(Cap|Sig|Seccomp$|Seccomp_filters|NoNewPrivs|Groups|Umask)/;

/** What must not differ from one start to the next. */
function facts(report: ProbeReport): Record<string, unknown> {
  const status = Object.entries(report.status).filter(([key]) => STATUS.test(key) && key !== 'SigQ');
  const chosen = Object.fromEntries([...FACTS, ...MORE_FACTS].map((key) => [key, report[key]]));
  const { descriptors, init } = report;
  const kinds = Object.entries(descriptors).map(([fd, target]) => `${fd} ${String(target).replace(/\d+/, '')}`);
  return { ...chosen, status, descriptors: kinds, init: { exe: init.exe, environ: init.environ, maps: init.maps } };
}

/** Seconds since boot; by sysconf(_SC_CLK_TCK), which is 100 everywhere. */
function startTime(pid: number): number {
  return (
    Number(
      readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')[19],
    ) / 100
  );
}

describe('starts after the first, which use prepared mounts', () => {
  it.each([
    { mode: 'none', kind: 'ordinary', lasts: 0.4 },
    { mode: 'routed', kind: 'ordinary', lasts: 0.4 },
    { mode: 'routed', kind: 'spare', lasts: 1.8 },
  ])(
    'are as tight as the first: network mode $mode, $kind',
    async ({ mode, kind, lasts }) => {
      const start = [
        './probe report',
        // What is private to one start: a later one must find it empty.
        'ls /dev/shm /dev/mqueue',
        ': > /dev/shm/left-behind',
        'echo x >> "$STATE_DIRECTORY/starts"',
        '[ "$(wc -l < "$STATE_DIRECTORY/starts")" -lt 4 ] || exec ./probe hold',
        // Long enough for the mounts to be prepared, or for a stable run's next sandbox.
        `sleep ${lasts}`,
      ];
      script(mode, start, 'restart-reset-sec = 1s\n');
      const { root } = await printedPlan(app.root, 'shop');
      const running = await app.start();
      const lines = running.output.stdout.split('\n');
      const reports = lines.filter((line) => line.startsWith('{')).map((line): ProbeReport => JSON.parse(line));
      expect(reports).toHaveLength(4);
      expect(running.output.stdout).not.toContain('left-behind');
      const planned = expectedMounts(root);
      for (const report of reports) {
        expect(facts(report)).toEqual(facts(reports[0]!));
        expect(seenMounts(report.mounts, planned)).toEqual(byPath(planned));
        expect(report.mounts.filter(({ propagation }) => propagation !== '')).toEqual([]);
      }
      // Namespaces of its own for each start, but for the app's network.
      const mine = new Set(reports.map(({ namespaces }) => namespaces.mnt));
      const hosts = readlinkSync('/proc/self/ns/mnt');
      expect(mine.has(hosts)).toBe(false);
      const net = new Set(reports.map(({ namespaces }) => namespaces.net));
      expect(net.size === 1).toBe(mode === 'routed');

      const pid = app.init();
      const open = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/\d+/, ''));
      expect(open.sort()).toEqual(['anon_inode:[signalfd]', 'pipe:[]', 'pipe:[]', 'pipe:[]', 'pipe:[]']);
      expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^CapEff:\s0{14}20$/m);
      const entered = await app.report();
      expect(seenMounts(entered.mounts, planned)).toEqual(byPath(planned));
      const [daemon] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').map(Number);
      expect(startTime(daemon!) - startTime(pid) > 0.5).toBe(kind === 'spare');
    },
    30_000,
  );

  it.each(['none', 'routed'])(
    'follow no link that the app has put in place meanwhile: network mode %s',
    async (mode) => {
      const [treasure, place] = [join(app.root, 'treasure'), join(app.root, 'place')];
      for (const path of [treasure, place]) mkdirSync(path);
      writeFileSync(join(treasure, 'file'), 'gold\n');
      chmodSync(join(treasure, 'file'), 0o644);
      // The app's own start has made its state directory; the plan needs the one that is mounted.
      app.configure({ daemons: { main: 'exit 0' } });
      expect(await app.run()).toMatchObject({ status: 0 });
      expect(await app.enter(['mkdir', join(app.state, 'data')], ['--fresh'])).toMatchObject({ status: 0 });
      const swap = ['sleep 0.4', 'cd "$STATE_DIRECTORY"', 'mv data old', `ln -s ${treasure} data`];
      script(
        mode,
        [`cat ${place}/file`, 'echo started', ...swap],
        `[sandbox.mounts]\n${place} = rw:from:%(state_dir)/data\n`,
      );
      const running = app.launch();
      await running.waitFor(/too many (levels of )?symbolic links/i);
      expect(running.output.stdout).toContain('started');
      expect(running.output.stdout).not.toContain('gold');
    },
  );
});
