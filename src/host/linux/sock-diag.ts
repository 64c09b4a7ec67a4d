import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { formatIpv6 } from '../../util/ipv6.ts';
import { addon } from './addon.ts';

/** A listening TCP socket. */
export interface Listener {
  readonly inode: string;
  /** `tcp 0.0.0.0:8080`, `tcp [::]:8080`. */
  readonly text: string;
}

/** Constants of netlink(7) and sock_diag(7). */
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const REQUEST_AND_DUMP = 0x301;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const AF_INET = 2;
const AF_INET6 = 10;
const IPPROTO_TCP = 6;
/** 1 << TCP_LISTEN */
const LISTENING = 1 << 10;
const HEADER = 16;
/** struct inet_diag_req_v2 */
const REQUEST = 56;
/** The kernel fills no more into one message of a dump. */
const BUFFER = 32 * 1024;

/**
 * The listening TCP sockets of a process's network namespace, both families. /proc/PID/net/tcp tells the same, but goes through
 * the table of all connections of the machine, which takes ten milliseconds. Lazy: a part of some hundreds is read when it is asked for.
 * @throws the errno of a call: ENOENT also where the kernel has no tcp_diag.
 */
export function* listenersOf(pid: number): Generator<readonly Listener[], void> {
  const netns = openSync(`/proc/${pid}/ns/net`, 'r');
  let socket: number | undefined;
  try {
    socket = addon().socketInNetns(netns, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
    yield* dump(socket, AF_INET);
    yield* dump(socket, AF_INET6);
  } finally {
    if (socket !== undefined) closeSync(socket);
    closeSync(netns);
  }
}

/** A dump's next part is there as soon as the last one was read: no read waits. */
function* dump(socket: number, family: number): Generator<readonly Listener[], void> {
  writeSync(socket, dumpRequest(family));
  const buffer = Buffer.alloc(BUFFER);
  for (;;) {
    const { listeners, done } = readListeners(buffer.subarray(0, readSync(socket, buffer)));
    yield listeners;
    if (done) return;
  }
}

/** Pure. */
export function dumpRequest(family: number): Buffer {
  const bytes = Buffer.alloc(HEADER + REQUEST);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt16LE(SOCK_DIAG_BY_FAMILY, 4);
  bytes.writeUInt16LE(REQUEST_AND_DUMP, 6);
  bytes.writeUInt8(family, HEADER);
  bytes.writeUInt8(IPPROTO_TCP, HEADER + 1);
  bytes.writeUInt32LE(LISTENING, HEADER + 4);
  return bytes;
}

/** Reads what one read gave: messages of struct inet_diag_msg. Pure. @throws Error where the kernel tells one. */
export function readListeners(bytes: Buffer): { readonly listeners: Listener[]; readonly done: boolean } {
  const listeners: Listener[] = [];
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    const type = bytes.readUInt16LE(at + 4);
    if (type === NLMSG_DONE) return { listeners, done: true };
    if (type === NLMSG_ERROR) throw new Error(`sock_diag: errno ${-bytes.readInt32LE(at + HEADER)}`);
    if (type === SOCK_DIAG_BY_FAMILY) listeners.push(listenerOf(bytes.subarray(at + HEADER, at + length)));
    at += Math.max((length + 3) & ~3, HEADER);
  }
  return { listeners, done: bytes.length === 0 };
}

function listenerOf(message: Buffer): Listener {
  const six = message.readUInt8(0) === AF_INET6;
  const address = message.subarray(8, six ? 24 : 12);
  const text = six ? `[${formatIpv6(BigInt(`0x${address.toString('hex')}`))}]` : [...address].join('.');
  return { inode: String(message.readUInt32LE(68)), text: `tcp ${text}:${message.readUInt16BE(4)}` };
}
