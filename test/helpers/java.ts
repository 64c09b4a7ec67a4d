import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from './run-metactl.ts';

/** Built fixtures live here; git ignores it. */
const CACHE = join(REPOSITORY, '.cache/fixtures');
const SOURCES = join(REPOSITORY, 'test/fixtures/java');
/** javax.servlet of Debian's libservlet-api-java, which jetty9 depends on. */
const SERVLET_API = '/usr/share/java/servlet-api.jar';
const PROGRAMS = ['webapp.war', 'jobmanager.jar'] as const;

export interface JavaFixtures {
  /** Answers `/` with `hello from APP DAEMON user=… host=NAME/ADDRESS context=/ heap=…m`, `/housekeeping` with `housekeeping done`. */
  readonly webapp: string;
  /** `java -jar jobmanager.jar PORT` answers any request with `job manager of APP user=… host=NAME/ADDRESS`. */
  readonly jobManager: string;
}

/**
 * Paths of the Java programs, compiled with the JDK when their sources are newer; moved into place, so that test
 * processes that compile at the same time don't hand each other half a file.
 * @throws Error with javac's output if they don't compile.
 */
export function javaFixtures(): JavaFixtures {
  if (!isCurrent()) build();
  return { webapp: join(CACHE, PROGRAMS[0]), jobManager: join(CACHE, PROGRAMS[1]) };
}

/** Puts both programs into an app directory, as `webapp.war` and `jobmanager.jar`. */
export function installJavaApp(directory: string): JavaFixtures {
  const { webapp, jobManager } = javaFixtures();
  const installed = { webapp: join(directory, PROGRAMS[0]), jobManager: join(directory, PROGRAMS[1]) };
  copyFileSync(webapp, installed.webapp);
  copyFileSync(jobManager, installed.jobManager);
  return installed;
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function isCurrent(): boolean {
  const newest = Math.max(...readdirSync(SOURCES).map((name) => modified(join(SOURCES, name))));
  return PROGRAMS.every((name) => modified(join(CACHE, name)) > newest);
}

function build(): void {
  mkdirSync(CACHE, { recursive: true });
  const scratch = mkdtempSync(join(CACHE, 'build-'));
  const run = (program: string, ...words: string[]) => execFileSync(program, words, { cwd: scratch, stdio: 'pipe' });
  try {
    // 8 is the oldest that the JDK still compiles for without a warning turned error; Jetty 9 wants at least that.
    run(
      'javac',
      '--release',
      '8',
      '-Xlint:-options',
      '-d',
      'war/WEB-INF/classes',
      '-cp',
      SERVLET_API,
      source('HelloServlet'),
    );
    run('javac', '--release', '8', '-Xlint:-options', '-d', 'classes', source('JobManager'));
    run('jar', '--create', '--file', PROGRAMS[0], '-C', 'war', '.');
    run('jar', '--create', '--file', PROGRAMS[1], '--main-class', 'JobManager', '-C', 'classes', '.');
    for (const name of PROGRAMS) renameSync(join(scratch, name), join(CACHE, name));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function source(name: string): string {
  return join(SOURCES, `${name}.java`);
}
