import { writeSync } from 'node:fs';
import type { Command } from 'commander';
import { host as hostOfThisMachine } from '../host/index.ts';
import { errorRecord } from '../supervisor/control/protocol.ts';
import { READY_FD } from '../supervisor/standalone/launch.ts';
import { serve } from '../supervisor/standalone/serve.ts';
import { contextOf } from './context.ts';
import { VERSION } from './version.ts';

/** `metactl supervise`: what `start` runs in the background. Not for people. */
export function register(program: Command): void {
  program
    .command('supervise')
    .description('Be the supervisor of this node. `metactl start` starts it in the background.')
    .option('--background', `tell on descriptor ${READY_FD} how the start went`)
    .action(async (options: { background?: boolean }, command: Command) => {
      const { paths } = contextOf(command);
      const background = options.background === true;
      const tell = (answer: object) => {
        if (background) writeSync(READY_FD, `${JSON.stringify(answer)}\n`);
      };
      try {
        const host = await hostOfThisMachine();
        if (background) host.closeInherited([READY_FD]);
        process.umask(0o022);
        await serve({
          ...{ paths, host, version: VERSION },
          log: (line) => writeLine(`${new Date().toISOString()} ${line}`),
          onListening: () => tell({}),
        });
      } catch (error) {
        tell({ error: errorRecord(error) });
        throw error;
      }
      // Whatever a library still waits for: all daemons have ended.
      process.exit(0);
    });
}

/** A full disk must not end what it is told about. */
function writeLine(line: string): void {
  try {
    writeSync(2, `${line}\n`);
  } catch {
    // Nobody can be told.
  }
}
