import { execFile } from 'node:child_process';
import { EXIT, MetactlError } from '../util/error.ts';
import { editFile } from './edit-file.ts';
import type { RunStep, Step } from './manager.ts';

/** Milliseconds: a stop of many units waits for all of them, and each has a limit of its own. */
const PATIENCE = 60 * 60_000;
/** Bytes of output that are kept. */
const LARGEST = 16 << 20;

/**
 * Does one thing after the other, programs in the C locale and without a terminal; the first that fails is the last one.
 * @returns what the programs printed. @throws MetactlError METACTL_SERVICE_MANAGER with what the program said.
 */
export async function runSteps(steps: readonly Step[]): Promise<readonly string[]> {
  const outputs: string[] = [];
  for (const step of steps) {
    if ('argv' in step) outputs.push(await runStep(step));
    else editFile(step);
  }
  return outputs;
}

function runStep({ argv, accept = [] }: RunStep): Promise<string> {
  const [file = '', ...args] = argv;
  const { LC_ALL: _, LANG: __, ...rest } = process.env;
  return new Promise((resolve, reject) => {
    const child = execFile(
      file,
      args,
      { env: { ...rest, LC_ALL: 'C', SYSTEMD_PAGER: '', SYSTEMD_COLORS: '0' }, timeout: PATIENCE, maxBuffer: LARGEST },
      (error, stdout, stderr) => {
        const status = error === null ? 0 : error.code;
        if (status === 0 || (typeof status === 'number' && accept.includes(status))) resolve(stdout);
        else reject(stepError(argv, status ?? error?.signal ?? 'a signal', stderr));
      },
    );
    child.stdin?.end();
  });
}

function stepError(argv: readonly string[], status: string | number, stderr: string): MetactlError {
  const said = stderr.trim();
  const why = status === 'ENOENT' ? `there is no program ${argv[0]}` : said === '' ? `it ended with ${status}` : said;
  // Its lines stay lines.
  return new MetactlError(`${argv.join(' ')}: ${why}`.split('\n'), {
    code: 'METACTL_SERVICE_MANAGER',
    step: 'ask the service manager',
    exitStatus: EXIT.error,
    details: { argv, status, stderr },
    ...(status === 'ENOENT' ? { hint: 'install it, or set [node] service-manager in metactl.conf' } : {}),
  });
}
