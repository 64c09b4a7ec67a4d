import type { WriteStream } from 'node:tty';

const made = new Set<WriteStream>();

/**
 * `process.stdout` or `process.stderr` for what runs daemons: it goes on where nobody reads any more. Made when it is first asked
 * for, because Node loads its networking for a pipe, 4 ms that a daemon's start need not wait for.
 */
export function survivingStream(name: 'stdout' | 'stderr'): WriteStream {
  const stream = process[name];
  if (!made.has(stream)) stream.on('error', () => {});
  made.add(stream);
  return stream;
}
