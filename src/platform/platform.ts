import type { AppConfig, KeySpec, Origin } from '../config/types.ts';

/** What a platform may know about the daemon beside its keys. */
export interface PlatformContext {
  readonly app: string;
  readonly daemon: string;
  /** True where the app has a network namespace of its own; then `http.port` defaults to 80, else 8080. */
  readonly ownNetwork: boolean;
  /** Names in a directory, undefined where it can't be read. Absent: the real file system is asked. */
  readonly list?: (directory: string) => readonly string[] | undefined;
}

/** What a platform makes of a daemon's section: pure data. */
export interface CommandLine {
  /** argv[0] is looked up in PATH inside the sandbox unless it contains a slash. Relative paths are relative to the app directory. */
  readonly argv: readonly string[];
  /** Variables the platform adds; the app's [env] wins over them. */
  readonly env: Readonly<Record<string, string>>;
  /** Files and directories that must be there before anything is started. */
  readonly needs: readonly Need[];
}

export interface Need {
  /** Absolute. */
  readonly path: string;
  /** What it is, for the message: `jar`, `Jetty home`. */
  readonly what: string;
  readonly kind: 'file' | 'directory' | 'executable';
  readonly origin?: Origin;
  /** What to do where it is missing, if there is more to say than "install it, or correct the path". */
  readonly hint?: string;
}

/** How a daemon's command line is made. One file per platform; `index.ts` is the list. */
export interface Platform {
  readonly name: string;
  readonly doc: string;
  /** Keys of `[daemon.NAME]` that only this platform has (`jvm.jar`); common keys are in the schema. */
  readonly keys: readonly KeySpec[];
  /** It prints its threads on SIGQUIT and goes on, as every JVM does: asked for before a kill. */
  readonly threadDump?: boolean;
  /** Layer 0: raw values by key, interpolated later like any other. `--origin` shows them as `jetty6 default`. */
  defaults(context: PlatformContext): Readonly<Record<string, string>>;
  /** @throws MetactlError (78) where a needed key is missing or does not fit. */
  command(config: AppConfig, daemon: string, context: PlatformContext): CommandLine;
}
