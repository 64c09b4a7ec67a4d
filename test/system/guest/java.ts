import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { program } from './program.ts';

/** Modules that `test/fixtures/java` needs; all of Debian's Java would be 180 MB more of disk for each image. */
const MODULES = 'java.base';

/**
 * The smallest Java that this machine's JDK makes of itself, with an archive of its classes, which spares an emulated machine
 * most of their loading. @returns the directory, whose `bin/java` it is.
 */
export async function javaRuntime(): Promise<string> {
  const version = execFileSync('jlink', ['--version'], { encoding: 'utf8' }).trim();
  const directory = await cached('java', [version, MODULES], async (made) => {
    const options = ['--strip-debug', '--no-header-files', '--no-man-pages'];
    const java = join(made, 'java');
    await program('jlink', ['--add-modules', MODULES, ...options, '--output', java], { timeout: 120_000 });
    await program(join(java, 'bin/java'), ['-Xshare:dump', '-Xlog:cds=off', '-Xlog:cds+resolve=off'], {
      timeout: 60_000,
    });
  });
  return join(directory, 'java');
}
