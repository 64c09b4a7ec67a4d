import { writeSync } from 'node:fs';
import type { Command } from 'commander';
import { host as hostOfThisMachine } from '../host/index.ts';
import { errorRecord } from '../supervisor/control/protocol.ts';
import { DRAFT_FD, type SuccessorAnswer } from '../supervisor/handover/successor.ts';
import { BootStarts } from '../supervisor/standalone/boot-starts.ts';
import { READY_FD, supervisorLog } from '../supervisor/standalone/launch.ts';
import { checkHandover, serve } from '../supervisor/standalone/serve.ts';
import { contextOf } from './context.ts';
import { OwnLog } from './own-log.ts';
import { VERSION } from './version.ts';

interface SuperviseOptions {
  readonly background?: boolean;
  readonly boot?: boolean;
  readonly checkHandover?: boolean;
  readonly takeOver?: string;
}

/** Milliseconds that its last lines may take to get to a disk that hangs. */
const PATIENCE = 2000;

/** `metactl supervise`: what `start` runs in the background. Not for people. */
export function register(program: Command): void {
  program
    .command('supervise')
    .description('Be the supervisor of this node. `metactl start` starts it in the background.')
    .option('--background', `tell on descriptor ${READY_FD} how the start went`)
    .option('--boot', 'start all apps that no service manager has, then tell the one that started it')
    .option('--check-handover', `tell whether it could take over what descriptor ${DRAFT_FD} holds`)
    .option('--take-over <fd>', 'take the place of the supervisor that this process was')
    .action(async (options: SuperviseOptions, command: Command) => {
      if (options.checkHandover === true) await check();
      else await supervise(options, command);
      // Whatever a library still waits for: all daemons have ended. The kernel lets nothing end that hangs in a disk's call; what is
      // left then has neither lock nor socket.
      process.exit(0);
    });
}

async function check(): Promise<void> {
  let answer: SuccessorAnswer = { version: VERSION };
  try {
    await checkHandover(await hostOfThisMachine(), DRAFT_FD);
  } catch (error) {
    answer = { problem: (error as Error).message };
  }
  writeSync(1, `${JSON.stringify(answer)}\n`);
}

async function supervise({ background, boot, takeOver }: SuperviseOptions, command: Command): Promise<void> {
  const { paths } = contextOf(command);
  const tell = (answer: object) => {
    if (background === true) writeSync(READY_FD, `${JSON.stringify(answer)}\n`);
  };
  const ownLog = new OwnLog(2, supervisorLog(paths));
  process.once('exit', () => ownLog.end());
  const log = ownLog.line;
  try {
    const host = await hostOfThisMachine();
    const starts = new BootStarts(log);
    // Also for what the process before had still to start: later its files may be gone.
    const booting = boot === true || takeOver !== undefined ? await import('./boot.ts') : undefined;
    if (boot === true) starts.notifySocket = booting?.managersSocket();
    if (background === true) host.closeInherited([READY_FD]);
    process.umask(0o022);
    await serve({
      ...{ paths, host, version: VERSION, log, ownLog, starts },
      successor: { node: process.execPath, options: process.execArgv, program: process.argv[1]! },
      ...(takeOver === undefined ? {} : { takeOver: Number(takeOver) }),
      onListening: (handed) => {
        tell({});
        if (booting === undefined) return;
        const work = { paths, host, starts, log };
        void (handed === undefined ? booting.startAtBoot(work) : booting.goOnAtBoot(work, handed));
      },
    });
    await ownLog.flush(PATIENCE);
  } catch (error) {
    tell({ error: errorRecord(error) });
    // Its daemons end with this process: nobody is left who would know about them.
    if (takeOver !== undefined) log(`${(error as Error).message}; all daemons end with this supervisor`);
    throw error;
  }
}
