import type { Platform } from '../platform/platform.ts';
import { keySpec, sectionSpec } from './schema/index.ts';
import type { KeySpec } from './types.ts';

/** Which keys a section has: the schema's, and in `[daemon.X]` those of the platform of X. */
export class KeyFinder {
  readonly #platforms: readonly Platform[];
  /** Platform of each daemon, as far as known. */
  readonly #platformOf = new Map<string, Platform>();

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
    const now = modern(section, name);
    const spec = this.#anywhere(section, now);
    if (spec === undefined) return name;
    return spec.aliases?.includes(now) ? spec.key : now;
  };

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
    const now = modern(section, name);
    const own = this.#platformOf.get(section.slice('daemon.'.length))?.keys;
    const found = own === undefined || !section.startsWith('daemon.') ? undefined : keySpec(own, now);
    return found ?? keySpec(sectionSpec(section)?.keys ?? [], now);
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

/** `java.*` is the older name of `jvm.*` (DESIGN §3). */
function modern(section: string, name: string): string {
  return section.startsWith('daemon.') && name.startsWith('java.') ? `jvm.${name.slice('java.'.length)}` : name;
}
