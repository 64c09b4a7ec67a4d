import type { Envelope, LineHead, LogHost, LogSocket } from '../../host/log-host.ts';
import type { MetactlError } from '../../util/error.ts';
import { inTurn } from './disk-turns.ts';
import type { Origin } from './line.ts';
import type { LossLedger } from './loss-ledger.ts';
import type { HandedSink } from './sink.ts';
import { type Sent, TellingSink } from './telling-sink.ts';

/** How lines are put for a log daemon. */
export interface DatagramForm {
  readonly path: string;
  readonly envelope: (origin: Origin) => Envelope;
  /** Whether lines of the two get the same envelope. */
  readonly same: (a: Origin, b: Origin) => boolean;
}

export interface DatagramSinkOptions {
  readonly host: Pick<LogHost, 'frame' | 'socket'>;
  readonly form: DatagramForm;
  readonly onProblem: (text: string) => void;
  readonly ledger?: LossLedger;
  /** Of the process before this one. */
  readonly handed?: HandedSink;
}

/** The mark alone, which tells native/datagram.cc which head to take. */
const MARK_ONLY: LineHead = { bytes: Buffer.from(':'), mark: 0 };

/** Sends a daemon's lines to journald or a syslog daemon. A busy one slows the writer; one that is away costs lines. */
export class DatagramSink extends TellingSink {
  readonly #options: DatagramSinkOptions;
  #socket: LogSocket | undefined;
  #closed = false;

  constructor(options: DatagramSinkOptions) {
    const { host, onProblem, form, handed, ledger } = options;
    super(host.frame, onProblem, form.path, handed, ledger);
    this.#options = options;
  }

  protected head(): LineHead {
    return MARK_ONLY;
  }

  protected mixes(a: Origin, b: Origin): boolean {
    return this.#options.form.same(a, b);
  }

  protected async send(lines: Buffer, origin: Origin): Promise<Sent> {
    const { form, host } = this.#options;
    let done = 0;
    let skipped = 0;
    let error: string | undefined;
    try {
      this.#socket ??= host.socket(form.path);
      while (done < lines.length && !this.#closed) {
        const socket = this.#socket;
        const rest = lines.subarray(done);
        // A turn for each attempt: a log daemon that hangs must not keep the others from theirs.
        const sent = await inTurn(undefined, () => socket.send(form.envelope(origin), rest));
        done += sent.done;
        // EAGAIN: it is busy, and back-pressure makes the daemon wait with us. EMSGSIZE: this line can't be sent whole.
        if (sent.error === 'EMSGSIZE') {
          done = lines.indexOf(10, done) + 1;
          skipped++;
        } else if (sent.error !== undefined && sent.error !== 'EAGAIN') {
          error = sent.error;
          break;
        }
      }
      if (done < lines.length) error ??= 'ECANCELED';
    } catch (thrown) {
      error = (thrown as MetactlError).code;
    }
    if (error !== undefined) {
      this.#socket?.close();
      this.#socket = undefined;
    }
    return { done, skipped, error };
  }

  protected override giveUp(): void {
    this.#closed = true;
  }

  protected override end(): void {
    super.end();
    this.#closed = true;
    this.#socket?.close();
  }
}
