import { closeSync, readlinkSync } from 'node:fs';
import { Socket } from 'node:net';
import { addon } from './addon.ts';

/** linux/socket.h */
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;

/** A TCP connection that begins in the network namespace behind `netns`. Errors come from the socket. */
export function connectIn(netns: number, address: string, port: number): Socket {
  // Its own needs no privilege to be entered.
  if (isOwn(netns)) return new Socket().connect({ host: address, port });
  const fd = addon().socketInNetns(netns, address.includes(':') ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
  let socket: Socket;
  try {
    // Not read from before it is connected.
    socket = new Socket({ fd, manualStart: true } as ConstructorParameters<typeof Socket>[0]);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return socket.connect({ host: address, port });
}

function isOwn(netns: number): boolean {
  return readlinkSync(`/proc/self/fd/${netns}`) === readlinkSync('/proc/self/ns/net');
}
