import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Channel, type Outcome } from './channel.ts';
import { image, type Volume } from './image.ts';
import { program } from './program.ts';
import { startQemu } from './qemu.ts';

export interface GuestOptions {
  /** Directories with a file system of their own. */
  readonly volumes?: readonly Volume[];
  /** Disks of their own, by name: /dev/disk/by-id/virtio-<name>, an ext4 file system labelled with the name. */
  readonly disks?: Readonly<Record<string, Disk>>;
}

/** So many MiB; empty, or with what a directory holds. */
export type Disk = number | { readonly size: number; readonly content: () => Promise<string> };

/** A booted Debian. */
export interface Guest {
  /**
   * Runs a script with `bash -euo pipefail` as root. It is in the same cgroup as other scripts, as commands of one login
   * are. @returns what it printed, without white space at its end. Rejects, with its output, if it fails or takes longer
   * than `timeout` ms (60,000).
   */
  run(script: string, timeout?: number): Promise<string>;
  /** The same, for scripts that may fail. */
  attempt(script: string, timeout?: number): Promise<Outcome>;
  /** Restarts the machine; resolves when it is up again. */
  reboot(): Promise<void>;
  /** What came to its serial console, the last 60 lines. */
  console(): string;
  /** Ends the machine, at once. May be called twice. */
  stop(): Promise<void>;
}

/** How the error begins where the guest no longer answers. */
export const SILENT = 'the guest did not answer';
/** A slow machine with other work needs three times what an idle one does. */
const BOOT_TIME = 180_000;
/** How much later than the agent in the guest we lose patience. */
const GRACE = 15_000;

/** Makes what is not in the cache, boots, and waits until the guest is up. */
export async function bootGuest(options: GuestOptions = {}): Promise<Guest> {
  const boot = await image(options.volumes ?? []);
  const directory = mkdtempSync(join(tmpdir(), 'metactl-guest-'));
  const consoleFile = join(directory, 'console');
  writeFileSync(consoleFile, '');
  const port = join(directory, 'port');
  let channel: Channel | undefined;
  let qemu: ChildProcess | undefined;
  try {
    const disks = await makeDisks(directory, options.disks ?? {});
    channel = new Channel(port);
    qemu = startQemu({ image: boot, port, console: consoleFile, disks });
    const guest = new RunningGuest(directory, consoleFile, channel, qemu);
    await guest.up();
    return guest;
  } catch (error) {
    qemu?.kill('SIGKILL');
    channel?.close();
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

async function makeDisks(directory: string, wanted: Readonly<Record<string, Disk>>) {
  const disks: { path: string; serial: string }[] = [];
  for (const [serial, disk] of Object.entries(wanted)) {
    const path = join(directory, `${serial}.ext4`);
    const { size, content } = typeof disk === 'number' ? { size: disk, content: undefined } : disk;
    writeFileSync(path, '');
    truncateSync(path, size << 20);
    const filled = content === undefined ? [] : ['-d', await content()];
    await program('mkfs.ext4', ['-q', '-L', serial, ...filled, path], { timeout: 60_000 });
    disks.push({ path, serial });
  }
  return disks;
}

class RunningGuest implements Guest {
  readonly #directory: string;
  readonly #console: string;
  readonly #channel: Channel;
  readonly #qemu: ChildProcess;
  readonly #ended: Promise<string>;
  #bootId: string | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(directory: string, consoleFile: string, channel: Channel, qemu: ChildProcess) {
    this.#directory = directory;
    this.#console = consoleFile;
    this.#channel = channel;
    this.#qemu = qemu;
    let said = '';
    for (const stream of [qemu.stdout!, qemu.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    }
    this.#ended = new Promise((resolve) => {
      qemu.once('error', (error) => resolve(`qemu did not start: ${error.message}`));
      qemu.once('close', (code, signal) => resolve(`qemu ended with ${signal ?? code}: ${said}`));
    });
  }

  /** Waits for the hello of a boot that wasn't seen yet. */
  async up(): Promise<void> {
    this.#bootId = await this.#bounded(this.#channel.hello(this.#bootId), BOOT_TIME, `${SILENT} at its boot`);
  }

  attempt(script: string, timeout = 60_000): Promise<Outcome> {
    const outcome = this.#queue.then(() => this.#bounded(this.#channel.run(script, timeout), timeout + GRACE, SILENT));
    this.#queue = outcome.catch(() => {});
    return outcome;
  }

  async run(script: string, timeout?: number): Promise<string> {
    const outcome = await this.attempt(script, timeout);
    if (outcome.status === 0) return outcome.stdout.trimEnd();
    const end = outcome.timedOut ? 'took too long' : `ended with ${outcome.signal ?? outcome.status}`;
    throw new Error(`the script ${end}:\n${script}\nstdout:\n${outcome.stdout}\nstderr:\n${outcome.stderr}`);
  }

  async reboot(): Promise<void> {
    // The agent ends before it could answer a script that waits.
    await this.run('systemctl --no-block reboot');
    await this.up();
  }

  console(): string {
    const text = existsSync(this.#console) ? readFileSync(this.#console, 'utf8') : '';
    return text
      .replaceAll(/\x1b\[[0-9;]*[A-Za-z]|\r/g, '')
      .split('\n')
      .slice(-60)
      .join('\n');
  }

  async stop(): Promise<void> {
    this.#qemu.kill('SIGKILL');
    await this.#ended;
    this.#channel.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** @throws Error with the end of the console where it takes too long or qemu ends. */
  async #bounded<T>(promise: Promise<T>, time: number, failure: string): Promise<T> {
    const stop = new AbortController();
    const late = sleep(time, undefined, { signal: stop.signal }).then(
      () => `${time / 1000} s passed`,
      () => '',
    );
    try {
      return await Promise.race([
        promise,
        Promise.race([late, this.#ended]).then((why) => {
          throw new Error(`${failure}: ${why}\nits console:\n${this.console()}`);
        }),
      ]);
    } finally {
      stop.abort();
    }
  }
}
