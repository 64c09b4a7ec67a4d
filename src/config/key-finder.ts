import type { Platform } from '../platform/platform.ts';
import { keySpec, sectionSpec } from './schema/index.ts';
import type { KeySpec } from './types.ts';

/** Which keys a section has: the schema's, and in `[daemon.X]` those of the platform of X. */
export class KeyFinder {
  readonly #platforms: readonly Platform[];
  /** Platform of each daemon, as far as known. */
  readonly #platformOf = new Map<string, Platform>();
  // A hundred daemons ask for the same thirty keys, and a supervisor's JavaScript is never compiled.
  readonly #canonical = new Map<string, Map<string, string>>();
  readonly #found = new Map<Platform | string, Map<string, KeySpec | undefined>>();

  constructor(platforms: readonly Platform[]) {
    this.#platforms = platforms;
  }

  setPlatform(daemon: string, platform: Platform): void {
    this.#platformOf.set(daemon, platform);
  }

  platformOf(daemon: string): Platform | undefined {
    return this.#platformOf.get(daemon);
  }

  /** The name under which a key is kept: an alias becomes the key it stands for, whatever the daemon's platform. */
  readonly canonical = (section: string, name: string): string => {
    const names = mapIn(this.#canonical, isDaemons(section) ? DAEMONS : section);
    let found = names.get(name);
    if (found === undefined) {
      found = this.#findCanonical(section, name);
      names.set(name, found);
    }
    return found;
  };

  #findCanonical(section: string, name: string): string {
    const now = modern(section, name);
    const spec = this.#anywhere(section, now);
    if (spec === undefined) return name;
    return spec.aliases?.includes(now) ? spec.key : now;
  }

  #anywhere(section: string, name: string): KeySpec | undefined {
    const common = keySpec(sectionSpec(section)?.keys ?? [], name);
    if (common !== undefined || !section.startsWith('daemon.')) return common;
    for (const platform of this.#platforms) {
      const found = keySpec(platform.keys, name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The key of a section, by the daemon's platform where there is one. */
  readonly find = (section: string, name: string): KeySpec | undefined => {
    const platform = isDaemons(section) ? this.#platformOf.get(section.slice('daemon.'.length)) : undefined;
    const specs = mapIn(this.#found, platform ?? (isDaemons(section) ? DAEMONS : section));
    if (!specs.has(name)) {
      const now = modern(section, name);
      const own = platform === undefined ? undefined : keySpec(platform.keys, now);
      specs.set(name, own ?? keySpec(sectionSpec(section)?.keys ?? [], now));
    }
    return specs.get(name);
  };

  /** All keys of a section, for suggestions. */
  keysOf(section: string): readonly KeySpec[] {
    const platform = section.startsWith('daemon.') ? this.#platformOf.get(section.slice('daemon.'.length)) : undefined;
    return [...(platform?.keys ?? []), ...(sectionSpec(section)?.keys ?? [])];
  }

  /** Names of the platforms that have a key which this daemon's platform does not have. */
  owners(name: string): readonly string[] {
    return this.#platforms
      .filter((platform) => keySpec(platform.keys, modern('daemon.', name)) !== undefined)
      .map((platform) => platform.name);
  }
}

/** In place of the sections of all daemons. */
const DAEMONS = 'daemon.*';

function isDaemons(section: string): boolean {
  return section.startsWith('daemon.') && section.length > 'daemon.'.length;
}

function mapIn<Key, Value>(maps: Map<Key, Map<string, Value>>, key: Key): Map<string, Value> {
  let found = maps.get(key);
  if (found === undefined) {
    found = new Map();
    maps.set(key, found);
  }
  return found;
}

/** `java.*` is the older name of `jvm.*` (DESIGN §3). */
function modern(section: string, name: string): string {
  return section.startsWith('daemon.') && name.startsWith('java.') ? `jvm.${name.slice('java.'.length)}` : name;
}
