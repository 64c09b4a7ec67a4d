import { MetactlError } from '../../util/error.ts';

/** Why a conversation's `gone` aborts where its client has not gone: another process takes this one's place. */
export const MOVED = 'moved';

/** Why it aborts where the supervisor ends by itself. */
export const ENDING = 'ending';

/** True where a handler should tell its client how to go on with the next process. */
export function isMoved(gone: AbortSignal): boolean {
  return gone.aborted && gone.reason === MOVED;
}

/** What a handler throws then: the request by which its client goes on. Pure data, never shown to anybody. */
export class GoOn extends MetactlError {
  readonly request: Readonly<Record<string, unknown>>;

  constructor(request: { readonly verb: string } & Readonly<Record<string, unknown>>) {
    super('ask again', { code: 'METACTL_MOVED' });
    this.request = request;
  }
}
