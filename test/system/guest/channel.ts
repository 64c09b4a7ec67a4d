import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  /** Null if a signal ended it. */
  readonly status: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
}

type Message = { readonly hello: string } | (Outcome & { readonly id: number });

/** Our end of the agent's port. qemu connects to it and stays connected, over reboots of the guest too. */
export class Channel {
  readonly #server: Server;
  #socket: Socket | undefined;
  #lastId = 0;
  readonly #waiting = new Map<number, (outcome: Outcome) => void>();
  #greeted: ((bootId: string) => void) | undefined;
  #bootId: string | undefined;

  constructor(path: string) {
    this.#server = createServer((socket) => {
      this.#socket = socket;
      // qemu was killed; whoever waits learns it from the process's end.
      socket.on('error', () => {});
      createInterface({ input: socket }).on('line', (line) => this.#hear(line));
    }).listen(path);
  }

  /** Resolves with the boot id when an agent says hello that has another one than `before`. */
  hello(before?: string): Promise<string> {
    if (this.#bootId !== undefined && this.#bootId !== before) return Promise.resolve(this.#bootId);
    return new Promise((resolve) => {
      this.#greeted = (bootId) => bootId !== before && resolve(bootId);
    });
  }

  /** Sends a script; resolves when the agent answers, which is for the caller to bound. */
  run(script: string, timeout: number): Promise<Outcome> {
    const id = ++this.#lastId;
    this.#socket?.write(`${JSON.stringify({ id, script, timeout })}\n`);
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  close(): void {
    this.#socket?.destroy();
    this.#server.close();
  }

  #hear(line: string): void {
    // A reboot may cut a line in two; the agent begins each message on a new one.
    if (!line.startsWith('{') || !line.endsWith('}')) return;
    const message = JSON.parse(line) as Message;
    if ('hello' in message) {
      this.#bootId = message.hello;
      this.#greeted?.(message.hello);
      return;
    }
    this.#waiting.get(message.id)?.(message);
    this.#waiting.delete(message.id);
  }
}
