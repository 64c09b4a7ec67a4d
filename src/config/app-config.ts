import type { KeySpec, LoadedConfig, Origin, Problem, Setting, Value } from './types.ts';
import { readValue } from './values.ts';

/** What the loader hands over to the look-ups below. */
export interface ConfigParts {
  readonly app: string;
  readonly directory: string;
  readonly stateDirectory: string;
  readonly logDirectory: string;
  readonly daemons: readonly string[];
  readonly files: readonly string[];
  readonly warnings: readonly Problem[];
  readonly unbuilt: LoadedConfig['unbuilt'];
  readonly secrets: readonly string[];
  readonly sections: ReadonlyMap<string, readonly Setting[]>;
  /** Settings of `[env.DAEMON]` over `[env]`, by daemon. */
  readonly environments: ReadonlyMap<string, readonly Setting[]>;
  readonly find: (section: string, key: string) => KeySpec | undefined;
  readonly canonical: (section: string, key: string) => string;
  readonly sectionOrigin: (name: string) => Origin | undefined;
  readonly bind: (ip: string | undefined, ip6: string | undefined) => LoadedConfig;
}

/** Look-ups on a merged, interpolated and typed configuration. */
export class MergedConfig implements LoadedConfig {
  readonly app: string;
  readonly directory: string;
  readonly stateDirectory: string;
  readonly logDirectory: string;
  readonly daemons: readonly string[];
  readonly files: readonly string[];
  readonly warnings: readonly Problem[];
  readonly unbuilt: LoadedConfig['unbuilt'];
  readonly secrets: readonly string[];
  readonly #parts: ConfigParts;
  readonly #byKey = new Map<string, Map<string, Setting>>();

  constructor(parts: ConfigParts) {
    this.app = parts.app;
    this.directory = parts.directory;
    this.stateDirectory = parts.stateDirectory;
    this.logDirectory = parts.logDirectory;
    this.daemons = parts.daemons;
    this.files = parts.files;
    this.warnings = parts.warnings;
    this.unbuilt = parts.unbuilt;
    this.secrets = parts.secrets;
    this.#parts = parts;
    for (const settings of parts.sections.values()) {
      for (const setting of settings) {
        const keys = this.#byKey.get(setting.section) ?? new Map<string, Setting>();
        keys.set(setting.key, setting);
        this.#byKey.set(setting.section, keys);
      }
    }
  }

  sections(): readonly string[] {
    return [...this.#parts.sections.keys()];
  }

  section(name: string): readonly Setting[] {
    return this.#parts.sections.get(name) ?? [];
  }

  sectionOrigin(name: string): Origin | undefined {
    return this.#parts.sectionOrigin(name);
  }

  setting(section: string, key: string): Setting | undefined {
    return this.#byKey.get(section)?.get(this.#parts.canonical(section, key));
  }

  text(section: string, key: string): string | undefined {
    const value = this.#value(section, key);
    return value === undefined || typeof value === 'string' ? value : wrongType(section, key, 'text');
  }

  number(section: string, key: string): number | undefined {
    const value = this.#value(section, key);
    return value === undefined || typeof value === 'number' ? value : wrongType(section, key, 'a number');
  }

  flag(section: string, key: string): boolean | undefined {
    const value = this.#value(section, key);
    return value === undefined || typeof value === 'boolean' ? value : wrongType(section, key, 'a flag');
  }

  words(section: string, key: string): readonly string[] | undefined {
    const value = this.#value(section, key);
    return value === undefined || Array.isArray(value)
      ? (value as readonly string[])
      : wrongType(section, key, 'words');
  }

  environment(daemon: string): Readonly<Record<string, string>> {
    return Object.fromEntries(this.environmentSettings(daemon).map(({ key, text }) => [key, text]));
  }

  environmentSettings(daemon: string): readonly Setting[] {
    return this.#parts.environments.get(daemon) ?? [];
  }

  defaultOf(section: string, key: string): string | undefined {
    return this.#spec(section, key)?.default;
  }

  withAddress(ip: string | undefined, ip6?: string): LoadedConfig {
    return ip === undefined && ip6 === undefined ? this : this.#parts.bind(ip, ip6);
  }

  #value(section: string, key: string): Value | undefined {
    const setting = this.setting(section, key);
    if (setting !== undefined) return setting.value;
    const spec = this.#spec(section, key);
    return spec?.default === undefined ? undefined : defaultValue(spec, spec.default);
  }

  #spec(section: string, key: string): KeySpec | undefined {
    return this.#parts.find(section, this.#parts.canonical(section, key));
  }
}

/** Read once: a hundred daemons ask for the same thirty keys. */
const defaults = new WeakMap<KeySpec, { readonly value: Value | undefined }>();

function defaultValue(spec: KeySpec, text: string): Value | undefined {
  let found = defaults.get(spec);
  if (found === undefined) {
    found = { value: readValue(spec, text) };
    defaults.set(spec, found);
  }
  return found.value;
}

function wrongType(section: string, key: string, wanted: string): never {
  throw new TypeError(`[${section}] ${key} was asked for as ${wanted}, which it is not`);
}
