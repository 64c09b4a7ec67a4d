import { type ChildProcess, spawn } from 'node:child_process';

/** In /run, which only root can write: an empty file that stays and means nothing by itself. */
const LOCK_FILE = '/run/metactl-test.lock';

/**
 * Takes the machine for one test file: links, cgroups and nft tables are global, so two test runs at once would see
 * each other's objects as left-overs. Resolves to the function that gives the machine back.
 */
export function takeMachine(): Promise<() => Promise<void>> {
  return takeLock(LOCK_FILE);
}

/**
 * Waits for the lock of a file, which is made, or of a directory. Node has no flock(2); `flock FILE cat` holds it until its
 * input ends, which it also does when this process is killed. Resolves to the function that gives it back.
 */
export async function takeLock(path: string): Promise<() => Promise<void>> {
  const holder = spawn('flock', [path, 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => holder.once('close', () => resolve()));
  holder.stdin.write('taken\n');
  await answered(holder, path);
  return async () => {
    holder.stdin.end();
    await ended;
  };
}

function answered(holder: ChildProcess, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    holder.once('error', (error) => reject(new Error(`the tests need flock (util-linux): ${error.message}`)));
    holder.once('exit', (code) => reject(new Error(`flock ${path} ended with ${code}`)));
    holder.stdout?.once('data', () => resolve());
  });
}
