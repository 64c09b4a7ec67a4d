import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectNothingLeft, leakCheck, leftOver, snapshot } from '../helpers/leak-check.ts';

leakCheck();

/** Makes something, expects exactly these lines, removes it, expects none. */
async function expectSeen(make: () => void, remove: () => unknown, ...expected: RegExp[]): Promise<void> {
  const before = snapshot();
  try {
    make();
    const left = leftOver(before, snapshot());
    for (const pattern of expected) expect(left).toContainEqual(expect.stringMatching(pattern));
    await expect(expectNothingLeft(before, 100)).rejects.toThrow(/^left behind, 100 ms later:\n {2}\+ /);
  } finally {
    await remove();
  }
  await expectNothingLeft(before);
}

const ip = (...args: string[]) => execFileSync('ip', args);
function quietly(action: () => unknown): void {
  try {
    action();
  } catch {
    // Removed already.
  }
}

describe('the leak check', () => {
  it('is silent when nothing was made', async () => {
    await expectNothingLeft(snapshot(), 0);
  });

  it('sees a link, its route and its sysctls', async () => {
    await expectSeen(
      () => {
        ip('link', 'add', 'mtlleak0', 'type', 'veth', 'peer', 'name', 'mtlleak1');
        ip('link', 'set', 'mtlleak1', 'up');
        ip('link', 'set', 'mtlleak0', 'up');
        ip('route', 'add', '203.0.113.9/32', 'dev', 'mtlleak0');
      },
      () => quietly(() => ip('link', 'del', 'mtlleak0')),
      /^link: mtlleak0$/,
      /^route: 203\.0\.113\.9 dev mtlleak0/,
      /^sysctl: net\/ipv4\/conf\/mtlleak0\/forwarding = /,
    );
  });

  it('sees a named network namespace and its mount', async () => {
    await expectSeen(
      () => ip('netns', 'add', 'metactl-leak'),
      () => quietly(() => ip('netns', 'del', 'metactl-leak')),
      /^named network namespace: metactl-leak$/,
      /^mount: .*\/run\/netns\/metactl-leak /,
    );
  });

  it('sees a cgroup and who is in it', async () => {
    const path = `${firstCgroupMount()}/metactl-leak`;
    const child = { pid: 0, end: () => Promise.resolve() };
    await expectSeen(
      () => {
        mkdirSync(path);
        Object.assign(child, sleeper('sleep', ['60']));
        writeFileSync(`${path}/cgroup.procs`, String(child.pid));
      },
      async () => {
        await child.end();
        quietly(() => rmdirSync(path));
      },
      /^cgroup: .*\/metactl-leak$/,
      /^process: sleep /,
    );
  });

  it('sees namespaces of an orphan', async () => {
    // The shell starts an orphan in new namespaces, tells its pid and ends.
    const orphan = { pid: 0 };
    await expectSeen(
      () => {
        const script = 'unshare --net --uts sleep 60 >/dev/null 2>&1 & echo $!; sleep 0.3';
        orphan.pid = Number(execFileSync('sh', ['-c', script], { encoding: 'utf8', env: {} }));
      },
      () => quietly(() => process.kill(orphan.pid, 'SIGKILL')),
      /^namespace: net:\[\d+\] held by sleep/,
      /^namespace: uts:\[\d+\] held by sleep/,
    );
  });

  it('sees an orphan in the host namespaces by its mark', async () => {
    const orphan = { pid: 0 };
    await expectSeen(
      () => {
        const script = 'sleep 60 >/dev/null 2>&1 & echo $!';
        orphan.pid = Number(execFileSync('sh', ['-c', script], { encoding: 'utf8' }));
      },
      () => quietly(() => process.kill(orphan.pid, 'SIGKILL')),
      /^process: sleep/,
    );
  });

  it('sees an nft table', async () => {
    await expectSeen(
      () => execFileSync('nft', ['add table inet metactl-leak { chain c { ip saddr 203.0.113.9 drop; }; }']),
      () => quietly(() => execFileSync('nft', ['delete table inet metactl-leak'], { stdio: 'ignore' })),
      /^nft rule: table inet metactl-leak >$/,
      /^nft rule: table inet metactl-leak > chain c > ip saddr 203\.0\.113\.9 drop$/,
    );
  });

  it('sees files below the roots it is given', () => {
    const root = mkdtempSync(join(tmpdir(), 'metactl-leak-'));
    try {
      const before = snapshot([root]);
      mkdirSync(join(root, 'a'));
      writeFileSync(join(root, 'a/lease'), '');
      expect(leftOver(before, snapshot([root]))).toEqual([`file: ${root}/a`, `file: ${root}/a/lease`]);
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it('counts: a second mount on the same place is seen', () => {
    const root = mkdtempSync(join(tmpdir(), 'metactl-leak-'));
    const mount = () => execFileSync('mount', ['-t', 'tmpfs', 'metactl-leak', root]);
    const unmount = () => execFileSync('umount', [root], { stdio: 'ignore' });
    try {
      mount();
      const before = snapshot();
      mount();
      expect(leftOver(before, snapshot())).toContainEqual(expect.stringMatching(/^mount: .*metactl-leak/));
      unmount();
      expect(leftOver(before, snapshot())).toEqual([]);
    } finally {
      quietly(unmount);
      quietly(unmount);
      rmdirSync(root);
    }
  });
});

function firstCgroupMount(): string {
  const mount = execFileSync('findmnt', ['-rno', 'TARGET', '-t', 'cgroup,cgroup2'], { encoding: 'utf8' });
  return mount.split('\n').find((path) => path.endsWith('/pids') || path === '/sys/fs/cgroup') ?? '';
}

function sleeper(file: string, args: string[]): { pid: number; end: () => Promise<void> } {
  const child = spawn(file, args, { stdio: 'ignore' });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    pid: child.pid ?? 0,
    end: () => {
      child.kill('SIGKILL');
      return gone;
    },
  };
}
