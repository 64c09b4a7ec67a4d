export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** A pseudo-terminal, both ends. */
export interface Terminal {
  /**
   * To be handed over as stdin, stdout and stderr. It stays open here until `close`, so that the terminal lives as long as
   * the command, also if that lets go of it for a while.
   */
  readonly slave: number;
  /** Hands over what is written to it from now until `close`. Once. */
  read(receive: (bytes: Buffer) => void): void;
  /** Types. @returns undefined, or what to wait for before the next keys: nobody takes these now. */
  write(keys: Buffer | string): Promise<void> | undefined;
  resize(size: TerminalSize): void;
  /** Hands over all that has been written to it by now, then hangs it up. */
  close(): void;
  /**
   * Lets all bytes pass another terminal, the caller's, as they are, both ways (Node's raw mode goes on adding a carriage
   * return to each line feed, which moves the cursor of full-screen programs). @returns sets it as it was before.
   */
  passThrough(caller: number): () => void;
}
