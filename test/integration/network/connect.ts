import { expect } from 'vitest';
import type { NodeConfig } from '../../../src/config/types.ts';
import { defaultPool } from '../../../src/host/linux/pool.ts';
import type { OwnNetwork } from '../../../src/sandbox/plan.ts';
import { formatAddress } from '../../../src/util/ip.ts';
import { type Change, output, Program, type Site } from './site.ts';

/** Accepts TCP connections on a port of all addresses; says `ready`, then who came. Answers what it was told. */
export const SERVER = `
const [port, answer] = process.argv.slice(1);
require('node:net').createServer((socket) => {
  console.log(socket.remoteAddress.replace('::ffff:', ''));
  socket.end(answer);
}).listen(Number(port), '::', () => console.log('ready'));`;

/**
 * Says `ready`; connects to ADDRESS PORT; says the milliseconds until the connection stood, then what it read. It has connected to
 * itself before: a program that does it for the first time takes longer than the network.
 */
const CLIENT = `
console.log('ready');
const net = require('node:net');
const [address, port] = process.argv.slice(1);
const own = net.createServer((socket) => socket.destroy()).listen(0, '::1', () => {
  net.connect(own.address().port, '::1').on('error', () => {}).on('close', () => own.close(measure));
});
function measure() {
  const socket = new net.Socket();
  const start = process.hrtime.bigint();
  socket.connect(Number(port), address);
  let text = '';
  socket.on('connect', () => console.log(Number(process.hrtime.bigint() - start) / 1e6));
  socket.on('data', (data) => (text += data)).on('end', () => console.log(text));
  socket.on('error', (error) => console.log(error.code));
}`;

/** How long a program may take to begin on a loaded machine, which is none of the network's business; ms. */
const START = 30_000;
/** A packet or two may be lost, and is sent again after 1 and 3 s. */
const PATIENCE = 3_500;

/** What a client got, and whom the server saw. */
export interface Met {
  readonly took: number;
  readonly answer: string;
  readonly peer: string;
}

/** Connects from one namespace (undefined: the host's) to a server on port 80 of another. */
export async function meet(
  server: string | undefined,
  client: string | undefined,
  address: string,
  port = 80,
  serverPort = 80,
): Promise<Met> {
  const programs = [new Program(server, SERVER, String(serverPort), 'hello from inside')];
  try {
    expect(await programs[0]!.line(1, START)).toBe('ready');
    programs.push(new Program(client, CLIENT, address, String(port)));
    await programs[1]!.line(1, START);
    const took = Number(await programs[1]!.line(2, PATIENCE));
    const answer = await programs[1]!.line(3);
    return { took, answer, peer: await programs[0]!.line(2) };
  } finally {
    for (const program of programs) await program.end();
  }
}

/** The outcome of a connection that may come to nothing: what was answered, else why not. */
export async function attempt(client: string | undefined, address: string, port: number): Promise<string> {
  const program = new Program(client, CLIENT, address, String(port));
  try {
    await program.line(1, START);
    const first = await program.line(2, 1_500).catch(() => 'no answer');
    return /^[\d.]+$/.test(first) ? await program.line(3) : first;
  } finally {
    await program.end();
  }
}

/** Empties the neighbour caches of everybody concerned; proxy entries are not in them. */
export function forgetNeighbours(site: Site, ...namespaces: string[]): void {
  output('ip', 'neigh', 'flush', 'all');
  output('ip', '-6', 'neigh', 'flush', 'all');
  for (const name of [...namespaces, site.lab.otherNetns]) {
    output('ip', '-n', name, 'neigh', 'flush', 'all');
    output('ip', '-n', name, '-6', 'neigh', 'flush', 'all');
  }
}

/** An app behind the host's address, at a place in the node's part of 100.64.0.0/16. */
export function makeNat(
  site: Site,
  app: string,
  place: number,
  change: Change = {},
  node: NodeConfig = site.node({ pool: [] }),
): Promise<OwnNetwork> {
  const address = formatAddress(defaultPool(site.paths.nodeId).first + place);
  return site.make(app, address, node, { mode: 'nat', ...change });
}

const TURNS = 10;
/** Milliseconds. */
const QUICK = 5;

/**
 * A connection with cold caches, again until one was quick: another test's load is none of the network's business, while
 * a delay of the network's own is there each time.
 */
export async function firstConnection(
  site: Site,
  inside: string,
  way: string,
  ...ends: Parameters<typeof meet>
): Promise<Met> {
  const met: Met[] = [];
  while (met.length < TURNS && !met.some(({ took }) => took <= QUICK)) {
    forgetNeighbours(site, inside);
    met.push(await meet(...ends));
  }
  console.log(`${way}: first connection after ${met.map(({ took }) => took.toFixed(2)).join(', ')} ms`);
  return met.reduce((best, one) => (one.took < best.took ? one : best));
}
