import { spawn } from 'node:child_process';

export interface TerminalSession {
  /** `--root` of a metactl that is run there. */
  readonly root: string;
  /** Shell command line that has the terminal first. */
  readonly program: string;
  /** Typed once the program has shown something that matches; nothing unless told. */
  readonly keys?: { readonly after: RegExp; readonly text: string };
}

const LAST_LINE = 'typed';

/**
 * Runs a program on a terminal of its own (util-linux script), and after it a shell that reads one line, as the
 * administrator's own would.
 * @returns all that the terminal showed, with `outer got <…>`: the line, which is `typed` unless somebody pushed keys.
 */
export async function onTerminal({ root, program, keys }: TerminalSession): Promise<string> {
  const after = 'printf "outer waits\\n"; IFS= read -r line; printf "outer got <%s>\\n" "$line"';
  const child = spawn('script', ['-qefc', `${program}; ${after}`, '/dev/null'], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', METACTL_ROOT: root, TERM: 'dumb', SHELL: '/bin/sh', PS1: '$ ' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let shown = '';
  const waiting = [...(keys === undefined ? [] : [keys]), { after: /outer waits/, text: `${LAST_LINE}\n` }];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
    // In order: what is typed before the program asks for it would be the caller's.
    while (waiting[0]?.after.test(shown)) child.stdin.write(waiting.shift()!.text);
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  return shown;
}
