/**
 * What a loaded configuration looks like to the rest of metactl. Everything here is plain data or a pure look-up; the
 * reader is `load.ts`.
 */

/** The four layers of DESIGN §3, lowest first. */
export const LAYERS = ['platform', 'application', 'site', 'node'] as const;
export type Layer = (typeof LAYERS)[number];

/** Where a value was written. */
export interface Origin {
  readonly layer: Layer;
  /** The file, or for platform defaults a label such as `jetty6 default`. */
  readonly file: string;
  /** 1-based; 0 for built-in defaults. */
  readonly line: number;
  readonly column: number;
}

/** The types a key can have; `Value` says what each is read into. */
export type ValueType =
  | 'text' //      string
  | 'boolean' //   boolean (yes/no/true/false/on/off/1/0)
  | 'integer' //   number
  | 'duration' //  number, milliseconds (`500ms 5s 2min 1h 1d`; a bare number is seconds); Infinity for `infinity`
  | 'size' //      number, bytes (base 1024: `256m 2g`); Infinity for `infinity`
  | 'percent' //   number, 1.0 = 100 % (`150%` is 1.5)
  | 'enum' //      string, one of KeySpec.values
  | 'list' //      string[], split at white space by systemd's quoting rules
  | 'command' //   string[], the same, at least one word
  | 'path' //      string, absolute
  | 'octal'; //    number (`022`)
export type Value = string | boolean | number | readonly string[];

/** One section of the schema. */
export interface SectionSpec {
  /** As in the file; `daemon.*` stands for one section per name. */
  readonly name: string;
  readonly doc: string;
  readonly keys: readonly KeySpec[];
  /** The layers that may set its keys, unless a key says otherwise. Absent: application, site and node. */
  readonly layers?: readonly Layer[];
  /** Keys may be repeated and keep their order (`[systemd.*]`). */
  readonly repeats?: true;
  /** For sections whose keys are free: what a key must look like. */
  readonly keyPattern?: RegExp;
  readonly keyExpected?: string;
  /** Keys that may not be set here, and what to set instead. */
  readonly instead?: ReadonlyMap<string, Instead>;
}

/** Why a key may not be set, and the one to set in its place. */
export interface Instead {
  readonly key: string;
  readonly why: string;
}

/** One row of the schema table. */
export interface KeySpec {
  /** Key name, or `*` for sections whose keys are free (`[env]`), or a pattern such as `depends-on.*`. */
  readonly key: string;
  readonly type: ValueType;
  readonly values?: readonly string[];
  /** Built-in default as it would be written in a file; shown in docs/configuration.md. */
  readonly default?: string;
  readonly unit?: string;
  /** The layers that may set it. Absent: application, site and node. */
  readonly layers?: readonly Layer[];
  /** From `.metactl` only values at most as favourable as this rule allows (DESIGN §3 Trust). */
  readonly onlyLess?: 'at-most-default' | 'at-least-default';
  /** What `onlyLess` compares with where no administrator sets the key; absent: `default`. */
  readonly bound?: string;
  /** Lowest and highest value of a number. */
  readonly min?: number;
  readonly max?: number;
  /** Reads the text in place of `type` where the type alone says too little; undefined: not valid. */
  readonly read?: (text: string) => Value | undefined;
  /** The numbers that `onlyLess` compares, where the value itself is no number (`limit-nofile = 1024:4096`). */
  readonly measure?: (value: Value) => readonly number[];
  /** What a valid value looks like, for messages: `HOST:PORT or a CIDR`. Absent: told by the type. */
  readonly expected?: string;
  /** The same for a value of the right form that can't be had all the same; undefined: `expected` says it. */
  readonly expectedInstead?: (text: string) => string | undefined;
  /** Other names for the same key (`java.heap.max` for `jvm.heap.max`). */
  readonly aliases?: readonly string[];
  /** A feature that this version does not have yet: `protects` makes `run` refuse (78), `harmless` is listed by `check`. */
  readonly unbuilt?: 'protects' | 'harmless';
  /** Values with which `unbuilt` does not hold (`mode = routed`, but not `nat`). */
  readonly builtValues?: readonly string[];
  /** Values that only these layers may set, where the key itself is open to more. */
  readonly valueLayers?: Readonly<Record<string, readonly Layer[]>>;
  readonly doc: string;
}

/** One key of the merged configuration, after interpolation and typing. */
export interface Setting {
  readonly section: string;
  readonly key: string;
  /** As written in the file. */
  readonly raw: string;
  /** After `%(…)` was replaced. */
  readonly text: string;
  readonly value: Value;
  readonly origin: Origin;
  /** The settings (or built-ins) whose values went into this one by interpolation, depth first, in order of use. */
  readonly chain: readonly ChainLink[];
  /** Values of lower layers that this one replaced, nearest first. */
  readonly overridden: readonly { readonly raw: string; readonly origin: Origin }[];
  /** The lowest-trust layer that any part of the value came from (a value keeps its layer's trust through interpolation). */
  readonly trust: Layer;
  /** A secret by name or by shape (password in a URL): masked unless --reveal. */
  readonly secret: boolean;
  /** `text` as it may be shown: every secret in it, its own and those that came by interpolation, is `***`. */
  readonly masked?: string;
}

export interface ChainLink {
  /** `%(JOB_MANAGER_PORT)`: the name between the parentheses. */
  readonly name: string;
  readonly text: string;
  /** Absent for built-ins (`app`, `ip` …). */
  readonly origin?: Origin;
  readonly secret: boolean;
  /** `text` as it may be shown; absent: `text` itself. */
  readonly masked?: string;
  /** Values of lower layers that the one named here replaced, nearest first; absent for built-ins. */
  readonly overridden?: readonly { readonly raw: string; readonly origin: Origin }[];
}

/** A problem in a file. `check` shows all of them at once; everything else throws the list as one MetactlError (78). */
export interface Problem {
  readonly message: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly hint?: string;
}

/** One app's merged configuration. Sections are named as in the file: `daemon.webapp`, `sandbox.net`, `env`. */
export interface AppConfig {
  readonly app: string;
  /** Absolute path of the app directory (where `.metactl` is). */
  readonly directory: string;
  readonly stateDirectory: string;
  readonly logDirectory: string;
  /** Daemon names in the order in which they first appear. */
  readonly daemons: readonly string[];
  /** Files that were read, lowest layer first. */
  readonly files: readonly string[];
  /** Notes that don't stop a start: keys of features not built yet, and so on. */
  readonly warnings: readonly Problem[];
  /** Secret texts of its values, of at least four characters: what is said about the app hides them (`util/secrets.ts`). */
  readonly secrets: readonly string[];
  sections(): readonly string[];
  /** All keys of a section, in order. Built-in schema defaults are not listed; platform defaults are. */
  section(name: string): readonly Setting[];
  /** Where the highest layer that has the section begins it. */
  sectionOrigin(name: string): Origin | undefined;
  /** Undefined where no layer sets the key (or an empty value unset it). */
  setting(section: string, key: string): Setting | undefined;
  /** Typed value of a key: what a layer set, else the schema's default, else undefined. Wrong accessor for the type: TypeError. */
  text(section: string, key: string): string | undefined;
  number(section: string, key: string): number | undefined;
  flag(section: string, key: string): boolean | undefined;
  words(section: string, key: string): readonly string[] | undefined;
  /** `[env]` with `[env.DAEMON]` laid over it (of any layer beats [env] of any layer), interpolated. */
  environment(daemon: string): Readonly<Record<string, string>>;
}

/** What `loadApp` gives: a configuration that an address can be bound to later. */
export interface LoadedConfig extends AppConfig {
  /** Keys that are set but whose features this version does not have. */
  readonly unbuilt: { readonly refuse: readonly Problem[]; readonly note: readonly Problem[] };
  /** A key's default as it would be written, where the schema has one. */
  defaultOf(section: string, key: string): string | undefined;
  /** `environment` as settings, for printing. */
  environmentSettings(daemon: string): readonly Setting[];
  /**
   * The same configuration with `%(ip)` and `%(ip6)` bound to the leased addresses; a name stays as it is where there is none.
   * @throws MetactlError (78) where a value is not valid with this address.
   */
  withAddress(ip: string | undefined, ip6?: string): LoadedConfig;
}

/** `/etc/metactl/metactl.conf`, typed; defaults filled in. */
export interface NodeConfig {
  readonly name: string;
  readonly site: string;
  /** Inclusive. */
  readonly uidRange: readonly [number, number];
  readonly subuidRange: readonly [number, number];
  readonly serviceManager: string;
  /** CIDRs of both families, or `a.b.c.*`, as written; empty without `[network] pool`. */
  readonly pool: readonly string[];
  readonly poolOrigin: Origin | undefined;
  /** Interface name; undefined: the device of the default route. */
  readonly uplink: string | undefined;
}
