import type { AppConfig } from '../config/types.ts';
import { javaDefaults, javaKeys, javaLauncher, programKeys } from './java.ts';
import type { CommandLine, Need, Platform, PlatformContext } from './platform.ts';
import { checkable, inAppDirectory, keyError, needOf, refuseCommand, sectionError } from './settings.ts';

/** A Java program: an executable jar, or a class path and a main class. */
export const jvm: Platform = {
  name: 'jvm',
  doc: 'A Java program: `jvm.jar`, or `jvm.classpath` and `jvm.main`. `success-exit-status` is `129 130 143` by default.',
  keys: [...programKeys, ...javaKeys],
  threadDump: true,
  defaults: () => javaDefaults,
  command: jvmCommand,
};

/** @throws MetactlError (78) unless exactly one of `jvm.jar` and `jvm.main` is set (and see javaLauncher). */
function jvmCommand(config: AppConfig, daemon: string, context: PlatformContext): CommandLine {
  refuseCommand(config, daemon, 'jvm');
  const launcher = javaLauncher(config, daemon, context);
  const program = javaProgramArguments(config, daemon);
  const further = config.words(`daemon.${daemon}`, 'jvm.arguments') ?? [];
  return {
    argv: [...launcher.argv, ...program.argv, ...further],
    env: launcher.env,
    needs: checkable(config, [...launcher.needs, ...program.needs]),
  };
}

function javaProgramArguments(
  config: AppConfig,
  daemon: string,
): { readonly argv: readonly string[]; readonly needs: readonly Need[] } {
  const section = `daemon.${daemon}`;
  const [jar, ...jarArguments] = config.words(section, 'jvm.jar') ?? [];
  const main = config.text(section, 'jvm.main');
  const classpath = config.text(section, 'jvm.classpath');
  if (jar === undefined && main === undefined) {
    throw sectionError(
      config,
      daemon,
      'has no `jvm.jar`',
      'set jvm.jar = FILE.jar ARGUMENTS, or jvm.classpath and jvm.main',
    );
  }
  if (jar === undefined) return mainArguments(config, daemon, main!, classpath);
  if (main !== undefined) {
    throw keyError(config, daemon, 'jvm.main', 'jvm.jar is set too', 'keep one of jvm.jar and jvm.main');
  }
  if (classpath !== undefined) {
    const hint = "use jvm.main with jvm.classpath, or the jar's own Class-Path";
    throw keyError(config, daemon, 'jvm.classpath', 'java ignores it together with jvm.jar', hint);
  }
  const path = inAppDirectory(config, jar);
  const need = needOf(config, daemon, 'jvm.jar', { path, what: 'jar', kind: 'file' });
  return { argv: ['-jar', path, ...jarArguments], needs: [need] };
}

function mainArguments(
  config: AppConfig,
  daemon: string,
  main: string,
  classpath: string | undefined,
): { readonly argv: readonly string[]; readonly needs: readonly Need[] } {
  if (classpath === undefined || classpath === '') {
    throw keyError(config, daemon, 'jvm.main', 'jvm.classpath is not set', 'set jvm.classpath = lib/*, for example');
  }
  const entries = classpath.split(':').map((entry) => inAppDirectory(config, entry === '' ? '.' : entry));
  const needs = entries.flatMap((entry): readonly Need[] => {
    if (entry.endsWith('/*')) {
      const path = entry.slice(0, -2);
      return [needOf(config, daemon, 'jvm.classpath', { path, what: 'class path directory', kind: 'directory' })];
    }
    // java itself does not mind an absent directory, and some are there only sometimes; an absent jar is a mistake.
    if (!entry.endsWith('.jar')) return [];
    return [needOf(config, daemon, 'jvm.classpath', { path: entry, what: 'jar', kind: 'file' })];
  });
  return { argv: ['-cp', entries.join(':'), main], needs };
}
