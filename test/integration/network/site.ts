import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { NodeConfig } from '../../../src/config/types.ts';
import { makeRunDirectories } from '../../../src/host/linux/directories.ts';
import { withAppLock } from '../../../src/host/linux/lock.ts';
import { hostLinkName, makeAppNetwork, removeAppNetwork } from '../../../src/host/linux/network.ts';
import { networkAddon } from '../../../src/host/linux/network-native.ts';
import type { OwnNetwork } from '../../../src/sandbox/plan.ts';
import { objectName, type Paths, pathsFor } from '../../../src/util/paths.ts';
import { type Lab, makeLab } from '../../helpers/lab.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

// The addon keeps three sockets for the life of the process, made at their first use: they are no left-overs of a test.
// `lo` has no Ethernet address, so nothing is announced.
networkAddon().readLink('lo');
networkAddon().hasNftTable('none');
networkAddon().announce(1, '127.0.0.1');

export type Change = Partial<Omit<OwnNetwork, 'hostLink' | 'netns'>>;

/** A node on the lab's network, and app networks made as the supervisor makes them. */
export class Site {
  readonly lab: Lab;
  readonly scratch: Scratch;
  readonly paths: Paths;
  readonly #made = new Map<string, OwnNetwork>();

  constructor(lab: Lab) {
    this.lab = lab;
    this.scratch = makeScratch();
    this.paths = pathsFor(this.scratch.root);
  }

  node(overrides: Partial<NodeConfig> = {}): NodeConfig {
    return {
      name: 'test',
      site: 'devel',
      uidRange: [70_000, 99_999],
      subuidRange: [524_288, 1_879_048_191],
      serviceManager: 'none',
      pool: [this.lab.pool],
      poolOrigin: undefined,
      uplink: this.lab.uplink,
      ...overrides,
    };
  }

  plan(app: string, address: string, change: Change = {}): OwnNetwork {
    const hostLink = hostLinkName(this.paths, app);
    const netns = objectName(this.paths, app);
    return { mode: 'routed', netns, hostLink, address, alias: `metactl:${app}`, ...change };
  }

  /** Makes (or repairs) an app's network; @returns its plan. */
  async make(app: string, address: string, node: NodeConfig = this.node(), change: Change = {}): Promise<OwnNetwork> {
    const plan = this.plan(app, address, change);
    makeRunDirectories(this.paths, app);
    await withAppLock(this.paths, app, async () => {
      const { netns } = await makeAppNetwork(this.paths, node, app, plan);
      closeSync(netns);
    });
    this.#made.set(app, plan);
    return plan;
  }

  async remove(app: string): Promise<void> {
    const plan = this.#made.get(app);
    if (plan === undefined) return;
    await withAppLock(this.paths, app, () => removeAppNetwork(this.paths, app, plan));
    this.#made.delete(app);
  }

  async close(): Promise<void> {
    for (const app of [...this.#made.keys()]) await this.remove(app);
    this.scratch.remove();
  }
}

/** Runs `work` on a lab with as many sites as it takes, and takes everything down after it. */
export async function withSite(work: (site: Site, other: Site) => Promise<void>): Promise<void> {
  const lab = await makeLab();
  const sites = [new Site(lab), new Site(lab)] as const;
  const steps = [() => work(...sites), ...sites.map((site) => () => site.close()), async () => lab.close()];
  // Everything is taken down, whatever fails; the first failure is told.
  const failures: unknown[] = [];
  for (const step of steps) await step().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}

/** Output of a command; throws with what it said. */
export function output(file: string, ...args: string[]): string {
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Output of a command inside a named network namespace. */
export function outputIn(netns: string, ...command: string[]): string {
  return output('ip', 'netns', 'exec', netns, ...command);
}

/** A program inside a named network namespace (undefined: the host's), told by its lines. */
export class Program {
  readonly #child: ChildProcess;
  readonly lines: string[] = [];
  readonly #ended: Promise<void>;
  #changed = () => {};

  constructor(netns: string | undefined, script: string, ...args: string[]) {
    const node = [process.execPath, '-e', script, ...args];
    const [file, ...words] = netns === undefined ? node : ['ip', 'netns', 'exec', netns, ...node];
    this.#child = spawn(file!, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#ended = new Promise((resolve) => this.#child.once('close', () => resolve()));
    createInterface(this.#child.stdout!).on('line', (line) => {
      this.lines.push(line);
      this.#changed();
    });
    this.#child.once('close', () => this.#changed());
  }

  /** Waits for line number `count`. */
  async line(count: number, patience = 5_000): Promise<string> {
    const end = Date.now() + patience;
    while (this.lines.length < count) {
      if (Date.now() > end || this.#child.exitCode !== null) {
        throw new Error(`line ${count} did not come; so far: ${JSON.stringify(this.lines)}`);
      }
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
        setTimeout(resolve, 50);
      });
    }
    return this.lines[count - 1]!;
  }

  async end(): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

/** Says `ready`, then the source address of every datagram that comes to UDP port 7; answers each. */
export const UDP_ECHO = `
const socket = require('node:dgram').createSocket('udp4');
socket.on('message', (message, from) => {
  console.log(from.address);
  socket.send(message, from.port, from.address);
});
socket.bind(7, () => console.log('ready'));`;

/** Accepts TCP connections on port 80; says \`ready\`, then who came. */
export const TCP_SERVER = `
require('node:net').createServer((socket) => {
  console.log(socket.remoteAddress.replace('::ffff:', ''));
  socket.end('hello from inside');
}).listen(80, '0.0.0.0', () => console.log('ready'));`;

/** Connects to ADDRESS PORT; says the milliseconds until the connection stood, then what it read. */
export const TCP_CLIENT = `
const socket = new (require('node:net').Socket)();
const [address, port] = process.argv.slice(1);
const start = process.hrtime.bigint();
socket.connect(Number(port), address);
let text = '';
socket.on('connect', () => console.log(Number(process.hrtime.bigint() - start) / 1e6));
socket.on('data', (data) => (text += data)).on('end', () => console.log(text));
socket.on('error', (error) => console.log(error.code));`;
