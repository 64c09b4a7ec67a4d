import { closeSync, fchownSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { Identity } from '../../sandbox/plan.ts';
import type { StdioPlan } from '../host.ts';
import { addon } from './addon.ts';
import { nativeFiles } from './native-files.ts';
import { readPipe } from './pipe-reader.ts';

/** Standard input, output and error of one launch. */
export interface OpenedStdio {
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
  readonly ready: number | undefined;
  /** After the spawn: closes the daemon's ends here and gives ours as streams. */
  streams(): OpenStreams;
  /** After a failed spawn: closes all that was opened. */
  discard(): void;
}

/** Our end of one of the daemon's pipes. */
export interface OpenStream {
  readonly stream: Readable;
  readonly fd: number;
}

export type OpenStreams = Readonly<Record<'stdout' | 'stderr' | 'ready', OpenStream | undefined>>;

/** Opens what the plan asks for, and a pipe to tell by that the daemon is ready. Descriptors given as numbers stay the caller's. */
export function openStdio(plan: StdioPlan, owner: Pick<Identity, 'uid' | 'gid'>, tellsReady: boolean): OpenedStdio {
  let handedOver = false;
  const pipes = {
    stdout: pipeFor(plan.stdout, owner),
    stderr: pipeFor(plan.stderr, owner),
    ready: tellsReady ? pipeFor('pipe', owner) : undefined,
  };
  return {
    stdin: plan.stdin === 'null' ? nativeFiles().nothing : plan.stdin,
    stdout: pipes.stdout?.write ?? (plan.stdout as number),
    stderr: pipes.stderr?.write ?? (plan.stderr as number),
    ready: pipes.ready?.write,
    streams() {
      handedOver = true;
      return {
        stdout: readerOf(pipes.stdout, plan.stdout),
        stderr: readerOf(pipes.stderr, plan.stderr),
        ready: readerOf(pipes.ready, 'pipe'),
      };
    },
    discard() {
      // Streams close their own; a second close would hide the error that led here.
      if (handedOver) return;
      for (const pipe of [pipes.stdout, pipes.stderr, pipes.ready]) {
        if (pipe === undefined) continue;
        closeSync(pipe.read);
        closeSync(pipe.write);
      }
    },
  };
}

interface PipeEnds {
  readonly read: number;
  readonly write: number;
}

function pipeFor(plan: StdioPlan['stdout'], owner: Pick<Identity, 'uid' | 'gid'>): PipeEnds | undefined {
  if (typeof plan === 'number') return undefined;
  const pipe = addon().pipe(typeof plan === 'object');
  // So that the app can open /dev/stdout and /dev/stderr, which many do.
  if (process.getuid?.() === 0) fchownSync(pipe.write, owner.uid, owner.gid);
  return pipe;
}

function readerOf(pipe: PipeEnds | undefined, plan: StdioPlan['stdout']): OpenStream | undefined {
  if (pipe === undefined) return undefined;
  closeSync(pipe.write);
  return streamBehind(pipe.read, plan);
}

/** The stream of an open read end, which must be non-blocking where a receiver gets the bytes. */
export function streamBehind(fd: number, plan: StdioPlan['stdout']): OpenStream {
  const stream = typeof plan === 'object' ? readPipe(fd, plan) : new Socket({ fd, readable: true, writable: false });
  return { fd, stream };
}
