import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach } from 'vitest';
import { REPOSITORY, type Running } from './run-metactl.ts';
import type { Scratch } from './scratch.ts';
import { useScratch } from './use-scratch.ts';

export interface Message {
  readonly pid: number;
  readonly lines: readonly string[];
}

/** What stands for a service manager: a socket, and all that came to it. */
export interface ServiceManager {
  readonly messages: readonly Message[];
  /** All lines so far that are not EXTEND_TIMEOUT_USEC. */
  lines(): string[];
  /** Waits, at most 15 s, until a line matches. */
  until(pattern: RegExp): Promise<void>;
  close(): void;
}

/**
 * A scratch root and a service manager for each test of the file, handed to `made` before it. @returns what starts
 * `run --unit shop` under it: killed when the test is over.
 */
export function useServiceManager(
  made: (scratch: Scratch, manager: ServiceManager, socket: string) => void,
): (env?: Readonly<Record<string, string>>) => Running {
  let manager: ServiceManager | undefined;
  let socket = '';
  const start = useScratch(async (scratch) => {
    socket = join(scratch.root, 'notify');
    manager = await startServiceManager(socket);
    made(scratch, manager, socket);
  });
  afterEach(() => manager?.close());
  return (env = {}) => start(['run', '--unit', 'shop'], { NOTIFY_SOCKET: socket, ...env });
}

/** @param socket a path, or `@name`. */
export async function startServiceManager(socket: string): Promise<ServiceManager> {
  const child: ChildProcess = spawn(
    '/usr/bin/python3',
    [join(REPOSITORY, 'test/fixtures/programs/notify-listener.py'), socket],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const messages: Message[] = [];
  const watchers = new Set<() => void>();
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (line === 'listening') return resolve();
      messages.push(JSON.parse(line) as Message);
      for (const watcher of watchers) watcher();
    });
    child.once('close', () => reject(new Error('the listener ended')));
  });
  const lines = () =>
    messages.flatMap(({ lines: all }) => all.filter((line) => !line.startsWith('EXTEND_TIMEOUT_USEC=')));
  return {
    messages,
    lines,
    until: (pattern) =>
      new Promise<void>((resolve, reject) => {
        const check = () => {
          if (!messages.some((message) => message.lines.some((line) => pattern.test(line)))) return;
          watchers.delete(check);
          clearTimeout(timer);
          resolve();
        };
        const timer = setTimeout(() => reject(new Error(`no ${pattern} among\n${lines().join('\n')}`)), 15_000);
        watchers.add(check);
        check();
      }),
    close: () => child.kill('SIGKILL'),
  };
}
