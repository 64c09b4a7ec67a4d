import type { LogHost } from '../../host/log-host.ts';

const EMPTY = Buffer.alloc(0);
/** One line without text, see LogSocket.send: the datagram is the envelope's head. */
const ONE = Buffer.from(':\n');

/**
 * Says one thing to the service manager by sd_notify(3).
 * @param socket its path, or `@name`. @returns why that could not be said.
 */
export async function sayOnce(
  host: Pick<LogHost, 'socket'>,
  socket: string,
  message: string,
): Promise<string | undefined> {
  try {
    const channel = host.socket(socket);
    try {
      const head = Buffer.from(message);
      return (await channel.send({ head, continued: head, unended: head, tail: EMPTY, memfd: false }, ONE)).error;
    } finally {
      channel.close();
    }
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}
