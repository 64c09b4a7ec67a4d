/** Milliseconds between two that are shown of one daemon: it may say something else a thousand times a second. */
const PAUSE = 2000;

interface Said {
  shown: string | undefined;
  at: number;
  waiting: { readonly text: string | undefined; readonly state: string } | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** Called with what a daemon says of itself now. */
export type ShowText = (app: string, daemon: string, text: string | undefined, state: string) => void;

/** What daemons say of themselves, for those who follow the events: what has changed, from time to time. */
export class StatusTexts {
  readonly #daemons = new Map<string, Said>();
  readonly #show: ShowText;

  constructor(show: ShowText) {
    this.#show = show;
  }

  /** Shows it, at once or later, unless it says something else by then or its run is over. */
  hear(app: string, daemon: string, text: string | undefined, state: string): void {
    const key = `${app}/${daemon}`;
    const one = this.#daemons.get(key) ?? { shown: undefined, at: -PAUSE, waiting: undefined, timer: undefined };
    this.#daemons.set(key, one);
    one.waiting = text === one.shown ? undefined : { text, state };
    if (one.timer !== undefined || one.waiting === undefined) return;
    const show = () => {
      one.timer = undefined;
      const { waiting } = one;
      if (waiting === undefined) return;
      one.waiting = undefined;
      one.shown = waiting.text;
      one.at = performance.now();
      this.#show(app, daemon, waiting.text, waiting.state);
    };
    const pause = one.at + PAUSE - performance.now();
    if (pause <= 0) show();
    else {
      one.timer = setTimeout(show, pause);
      one.timer.unref();
    }
  }

  /** Its run is over: it says nothing any more. */
  end(app: string, daemon: string): void {
    const one = this.#daemons.get(`${app}/${daemon}`);
    if (one === undefined) return;
    one.waiting = undefined;
    one.shown = undefined;
  }
}
