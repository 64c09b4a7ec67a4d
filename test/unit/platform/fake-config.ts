import type { AppConfig, Layer, Setting, Value } from '../../../src/config/types.ts';
import type { Platform, PlatformContext } from '../../../src/platform/platform.ts';

/** Section → key → typed value. Every key stands in its own line of `/n.conf`, counted over all sections. */
export type FakeSections = Readonly<Record<string, Readonly<Record<string, Value>>>>;

/** An AppConfig of typed values, for code that only reads one. The app is `myapp` in `/srv/myapp`. */
export function fakeConfig(sections: FakeSections, environment: Readonly<Record<string, string>> = {}): AppConfig {
  let line = 0;
  const settings = new Map<string, Setting[]>();
  for (const [section, keys] of Object.entries(sections)) {
    const list = Object.entries(keys).map(([key, value]): Setting => {
      line += 1;
      const text = Array.isArray(value) ? value.join(' ') : String(value);
      const layer: Layer = 'node';
      const origin = { layer, file: '/n.conf', line, column: 1 };
      return {
        section,
        key,
        raw: text,
        text,
        value,
        origin,
        chain: [],
        overridden: [],
        masked: text,
        trust: layer,
        secret: false,
      };
    });
    settings.set(section, list);
  }
  const setting = (section: string, key: string) => settings.get(section)?.find((found) => found.key === key);
  const typed = <T>(section: string, key: string, check: (value: Value) => boolean): T | undefined => {
    const found = setting(section, key);
    if (found !== undefined && !check(found.value)) throw new TypeError(`wrong accessor for ${section} ${key}`);
    return found?.value as T | undefined;
  };
  const config: Partial<AppConfig> & Record<string, unknown> = {
    app: 'myapp',
    directory: '/srv/myapp',
    stateDirectory: '/var/lib/metactl/apps/myapp/state',
    logDirectory: '/var/lib/metactl/apps/myapp/state/log',
    daemons: [...settings.keys()].flatMap((name) => (name.startsWith('daemon.') ? [name.slice(7)] : [])),
    files: ['/n.conf'],
    warnings: [],
    secrets: [],
    sections: () => [...settings.keys()],
    section: (name) => settings.get(name) ?? [],
    sectionOrigin: (name) => settings.get(name)?.[0]?.origin,
    setting,
    text: (section, key) => typed(section, key, (value) => typeof value === 'string'),
    number: (section, key) => typed(section, key, (value) => typeof value === 'number'),
    flag: (section, key) => typed(section, key, (value) => typeof value === 'boolean'),
    words: (section, key) => typed(section, key, Array.isArray),
    environment: () => environment,
    environmentSettings: () => [],
    withAddress: () => config as unknown as AppConfig,
  };
  return config as unknown as AppConfig;
}

/** A daemon's keys over its platform's defaults (layer 0), typed as the schema would. */
export function withDefaults(platform: Platform, context: PlatformContext, keys: Readonly<Record<string, Value>>) {
  const defaults = Object.entries(platform.defaults(context)).map(([key, text]): readonly [string, Value] => {
    const type = platform.keys.find((spec) => spec.key === key)?.type;
    if (type === 'integer') return [key, Number(text)];
    return [key, type === 'list' || type === 'command' ? text.split(' ') : text];
  });
  return { platform: platform.name, ...keys, ...Object.fromEntries(defaults.filter(([key]) => !(key in keys))) };
}
