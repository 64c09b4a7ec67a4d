import { closeSync, fchownSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { Identity } from '../../sandbox/plan.ts';
import type { StdioPlan } from '../host.ts';
import { addon } from './addon.ts';
import { nativeFiles } from './native-files.ts';

/** Standard input, output and error of one launch. */
export interface OpenedStdio {
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
  /** After the spawn: closes the daemon's ends here and gives ours as streams. */
  streams(): { readonly stdout: Readable | undefined; readonly stderr: Readable | undefined };
  /** After a failed spawn: closes all that was opened. */
  discard(): void;
}

/** Opens what the plan asks for. Descriptors given as numbers stay the caller's. */
export function openStdio(plan: StdioPlan, owner: Pick<Identity, 'uid' | 'gid'>): OpenedStdio {
  let handedOver = false;
  const pipes = { stdout: pipeFor(plan.stdout, owner), stderr: pipeFor(plan.stderr, owner) };
  return {
    stdin: plan.stdin === 'null' ? nativeFiles().nothing : plan.stdin,
    stdout: pipes.stdout?.write ?? (plan.stdout as number),
    stderr: pipes.stderr?.write ?? (plan.stderr as number),
    streams() {
      handedOver = true;
      return { stdout: readerOf(pipes.stdout), stderr: readerOf(pipes.stderr) };
    },
    discard() {
      // Streams close their own; a second close would hide the error that led here.
      if (handedOver) return;
      for (const pipe of [pipes.stdout, pipes.stderr]) {
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

function pipeFor(plan: 'pipe' | number, owner: Pick<Identity, 'uid' | 'gid'>): PipeEnds | undefined {
  if (plan !== 'pipe') return undefined;
  const pipe = addon().pipe(false);
  // So that the app can open /dev/stdout and /dev/stderr, which many do.
  if (process.getuid?.() === 0) fchownSync(pipe.write, owner.uid, owner.gid);
  return pipe;
}

function readerOf(pipe: PipeEnds | undefined): Readable | undefined {
  if (pipe === undefined) return undefined;
  closeSync(pipe.write);
  return new Socket({ fd: pipe.read, readable: true, writable: false });
}
