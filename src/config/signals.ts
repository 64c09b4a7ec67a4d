/** The signals of POSIX.1 and the ones that Linux and illumos both have. Numbers are the host's matter. */
export const SIGNALS: readonly string[] = (
  'SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM SIGTERM ' +
  'SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO SIGPWR SIGSYS'
).split(' ');

/** `SIGTERM`, `TERM` → `SIGTERM`; undefined: no signal. */
export function readSignal(text: string): string | undefined {
  const name = text.startsWith('SIG') ? text : `SIG${text}`;
  return SIGNALS.includes(name) ? name : undefined;
}

/** Words that are each an exit status or a signal, signals with their SIG; undefined: one of them is neither. */
export function readStatuses(words: readonly string[]): readonly string[] | undefined {
  const read = words.map((word) => (/^\d{1,3}$/.test(word) && Number(word) <= 255 ? word : readSignal(word)));
  return read.some((word) => word === undefined) ? undefined : (read as string[]);
}
