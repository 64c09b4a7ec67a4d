import { join } from 'node:path';
import type { AppConfig, KeySpec } from '../config/types.ts';
import type { Need, PlatformContext } from './platform.ts';
import { keyError, needOf } from './settings.ts';

/** What every Java platform shares: which `java`, its heap, properties and options. Pure. */

/** A key of the JVM; the first metactl called the same keys `java.*`. */
function jvmKey(name: string, spec: Omit<KeySpec, 'key' | 'aliases'>): KeySpec {
  return { key: `jvm.${name}`, aliases: [`java.${name}`], ...spec };
}

/** Keys of the platforms `jvm` and `jetty6`…`jetty12`. */
export const javaKeys: readonly KeySpec[] = [
  jvmKey('home', {
    type: 'path',
    doc: 'Directory of the Java to use (its `bin/java`); without it, JAVA_HOME of `[env]`, else the `java` in PATH.',
  }),
  jvmKey('java', {
    type: 'text',
    doc: 'The java program itself: a name in PATH or an absolute path; beats `jvm.home`.',
  }),
  jvmKey('heap.max', { type: 'size', unit: 'bytes', doc: 'Largest heap (-Xmx).' }),
  jvmKey('heap.min', { type: 'size', unit: 'bytes', doc: 'Heap at the start (-Xms).' }),
  jvmKey('options', { type: 'list', doc: 'Options of the JVM, such as `-XX:+UseZGC`; they come last, so they win.' }),
  jvmKey('properties', { type: 'list', doc: 'System properties, `name=value` each; given as -Dname=value.' }),
];

/**
 * A JVM that is told to end by SIGHUP, SIGINT or SIGTERM runs its shutdown hooks and exits with 128 + the signal, which
 * everybody else would take for a failure. What the signals are to other daemons, these statuses are to a JVM.
 */
export const javaDefaults = { 'success-exit-status': '129 130 143' } as const;

/** Keys of what `java` is to run, for the plain `jvm` platform. */
export const programKeys: readonly KeySpec[] = [
  jvmKey('jar', {
    type: 'command',
    doc: 'Executable jar and its arguments, relative to the app directory: `job.jar 9000`.',
  }),
  jvmKey('main', { type: 'text', doc: 'Main class, instead of `jvm.jar`; needs `jvm.classpath`.' }),
  jvmKey('classpath', {
    type: 'text',
    doc: 'Class path for `jvm.main`: entries separated by `:`, relative to the app directory; `lib/*` is every jar in lib.',
  }),
  jvmKey('arguments', { type: 'list', doc: 'Further arguments of the program.' }),
];

/** `java` with everything that goes before `-jar` or the main class. */
export interface JavaLauncher {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly needs: readonly Need[];
}

/** @throws MetactlError (78) for heaps that don't fit, a property without `=` or a java that is a relative path. */
export function javaLauncher(config: AppConfig, daemon: string, context: PlatformContext): JavaLauncher {
  const section = `daemon.${daemon}`;
  const { program, home, needs } = javaProgram(config, daemon);
  const argv = [
    program,
    ...heapOptions(config, daemon),
    `-Dmetactl.app=${context.app}`,
    `-Dmetactl.daemon=${context.daemon}`,
    ...propertyOptions(config, daemon),
    ...(config.words(section, 'jvm.options') ?? []),
  ];
  return { argv, env: home === undefined ? {} : { JAVA_HOME: home }, needs };
}

function javaProgram(
  config: AppConfig,
  daemon: string,
): { readonly program: string; readonly home: string | undefined; readonly needs: readonly Need[] } {
  const section = `daemon.${daemon}`;
  const java = config.text(section, 'jvm.java');
  const home = config.text(section, 'jvm.home') ?? (config.environment(daemon).JAVA_HOME || undefined);
  if (java !== undefined) {
    if (!java.includes('/')) return { program: java, home, needs: [] };
    if (!java.startsWith('/')) {
      throw keyError(
        config,
        daemon,
        'jvm.java',
        `found \`${java}\`, expected a name in PATH or an absolute path`,
        'start it with /',
      );
    }
    const need = needOf(config, daemon, 'jvm.java', { path: java, what: 'java program', kind: 'executable' });
    return { program: java, home, needs: [need] };
  }
  if (home === undefined) return { program: 'java', home: undefined, needs: [] };
  if (!home.startsWith('/')) {
    throw keyError(
      config,
      daemon,
      'jvm.home',
      `found \`${home}\` (JAVA_HOME), expected an absolute path`,
      'start it with /',
    );
  }
  const program = join(home, 'bin/java');
  const need = needOf(config, daemon, 'jvm.home', { path: program, what: 'java program', kind: 'executable' });
  return { program, home, needs: [need] };
}

/** Bytes in java's syntax, as short as it is exact: 268435456 is `256m`. */
export function javaSize(bytes: number): string {
  for (const [unit, size] of [
    ['g', 1024 ** 3],
    ['m', 1024 ** 2],
    ['k', 1024],
  ] as const) {
    if (bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return String(bytes);
}

function heapOptions(config: AppConfig, daemon: string): readonly string[] {
  const section = `daemon.${daemon}`;
  const [max, min] = [config.number(section, 'jvm.heap.max'), config.number(section, 'jvm.heap.min')];
  for (const [key, bytes] of [
    ['jvm.heap.max', max],
    ['jvm.heap.min', min],
  ] as const) {
    if (bytes === undefined || (Number.isFinite(bytes) && bytes > 0)) continue;
    throw keyError(config, daemon, key, 'expected a size above 0', 'for example 256m');
  }
  if (max !== undefined && min !== undefined && min > max) {
    const problem = `${javaSize(min)} is more than jvm.heap.max, which is ${javaSize(max)}`;
    throw keyError(config, daemon, 'jvm.heap.min', problem, 'make it smaller, or leave it out');
  }
  return [
    ...(max === undefined ? [] : [`-Xmx${javaSize(max)}`]),
    ...(min === undefined ? [] : [`-Xms${javaSize(min)}`]),
  ];
}

function propertyOptions(config: AppConfig, daemon: string): readonly string[] {
  return assignments(config, daemon, 'jvm.properties').map((property) => `-D${property}`);
}

/** The words of a list of `name=value`. @throws MetactlError (78) for a word that is none. */
export function assignments(config: AppConfig, daemon: string, key: string): readonly string[] {
  const words = config.words(`daemon.${daemon}`, key) ?? [];
  const bad = words.find((word) => !/^[^=]+=/.test(word));
  if (bad === undefined) return words;
  throw keyError(
    config,
    daemon,
    key,
    `found \`${bad}\`, expected name=value`,
    'quote a value that has white space: "name=a b"',
  );
}
