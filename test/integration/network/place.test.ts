import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { makeInstallation } from '../../fixtures/native/compile.ts';
import { leakCheck } from '../../helpers/leak-check.ts';

// Bundled first: esbuild keeps a process for the life of this one.
const installation = makeInstallation();
const program = installation.bundle('../network/maker.ts');
leakCheck();
afterAll(() => installation.remove());

const MAKERS = 4;

/** A process that is told what to do, and answers, line by line. */
class Talker {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(command: string, ...words: string[]) {
    this.child = spawn(command, words, { stdio: ['pipe', 'pipe', 'inherit'] });
    // Who has ended needs no word.
    this.child.stdin!.on('error', () => {});
    this.#lines = createInterface(this.child.stdout!)[Symbol.asyncIterator]();
  }

  async says(line: string): Promise<void> {
    expect((await this.#lines.next()).value).toBe(line);
  }

  tell(times = 1): void {
    this.child.stdin!.write('\n'.repeat(times));
  }

  async end(signal?: NodeJS.Signals): Promise<void> {
    if (signal !== undefined) this.child.kill(signal);
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'close');
  }
}

const placesIn = (process: ChildProcess): number =>
  readFileSync(`/proc/${process.pid}/mountinfo`, 'utf8')
    .split('\n')
    .filter((line) => line.split(' ')[4] === '/run/netns').length;

describe('the place of named network namespaces', () => {
  it('is made once after a boot, under the lock of `ip netns`, however many start at the same moment', async () => {
    // A mount namespace as it is then, with nothing in /run, and somebody who holds the lock.
    const script =
      'mount -t tmpfs none /run && mkdir /run/root /run/netns && exec flock /run/netns sh -c "echo up; cat"';
    const boot = new Talker('unshare', '--mount', '--propagation', 'private', 'sh', '-c', script);
    const makers: Talker[] = [];
    try {
      await boot.says('up');
      const mounts = `--mount=/proc/${boot.child.pid}/ns/mnt`;
      for (let i = 1; i <= MAKERS; i++) {
        makers.push(
          new Talker('nsenter', mounts, process.execPath, program, '/run/root', `app${i}`, `100.64.255.${i}`),
        );
      }
      await Promise.all(makers.map((maker) => maker.says('ready')));
      // Mountinfo also lists the machine's own, if it has one, though it is covered by the new /run.
      const covered = placesIn(makers[0]!.child);
      for (const maker of makers) maker.tell();
      await sleep(300);
      expect(placesIn(makers[0]!.child)).toBe(covered);
      await boot.end('SIGTERM');
      await Promise.all(makers.map((maker) => maker.says('made')));
      expect(placesIn(makers[0]!.child)).toBe(covered + 1);
    } finally {
      await boot.end('SIGTERM');
      // Whatever they have done so far, a second word at most makes them clear up and end.
      for (const maker of makers) maker.tell(2);
      await Promise.all(makers.map((maker) => maker.end()));
    }
  });
});
