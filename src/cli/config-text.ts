import type { ChainLink, LoadedConfig, Origin, Setting } from '../config/types.ts';
import { escapeText } from '../util/escape.ts';
import { isSecretName, MASK, maskText } from '../util/mask.ts';
import type { Paths } from '../util/paths.ts';

export interface TextOptions {
  readonly origin: boolean;
  readonly reveal: boolean;
  readonly color: boolean;
  readonly paths: Paths;
}

/** Comments stand in one column up to this width; behind longer values they follow at once. */
const WIDEST = 56;

/** A merged configuration (or some of it) as a file would say it; origins as comments. Pure. */
export function configText(config: LoadedConfig, settings: readonly Setting[], options: TextOptions): string {
  const sections = bySection(settings);
  const parts = [...sections].map(([section, list]) => {
    const lines = list.map((setting) => `${setting.key} = ${shownText(setting, options.reveal)}`);
    const width = Math.min(WIDEST, Math.max(...lines.map((line) => line.length)));
    const body = lines.map((line, i) => {
      const text = escapeText(line);
      if (!options.origin) return `${text}\n`;
      return `${text.padEnd(width)}  ${dim(`# ${originText(config, list[i]!, options)}`, options.color)}\n`;
    });
    return `${bold(`[${escapeText(section)}]`, options.color)}\n${body.join('')}`;
  });
  return parts.join('\n');
}

/** A value, masked unless revealed. Pure. */
export function shownText(setting: Setting, reveal: boolean): string {
  return reveal ? setting.text : (setting.masked ?? setting.text);
}

/** `.metactl:10; %(JOB_MANAGER_PORT) ← nodes/myapp.conf:3 overriding .metactl:2`. Pure. */
export function originText(config: LoadedConfig, setting: Setting, { paths }: Pick<TextOptions, 'paths'>): string {
  const place = (origin: Origin) => placeText(config, paths, origin);
  const over = (list: Setting['overridden']) =>
    list.length === 0 ? '' : ` overriding ${list.map(({ origin }) => place(origin)).join(', ')}`;
  const links = setting.chain.map((link) => `%(${link.name}) ← ${linkText(link, place)}${over(link.overridden ?? [])}`);
  return escapeText([`${place(setting.origin)}${over(setting.overridden)}`, ...links].join('; '));
}

function linkText(link: ChainLink, place: (origin: Origin) => string): string {
  if (link.origin !== undefined) return place(link.origin);
  if (link.name.startsWith('file:')) return 'that file';
  return link.text === `%(${link.name})` ? 'known when a daemon starts' : 'built in';
}

/** `nodes/myapp.conf:3`, `.metactl:2`, `jetty6 default`. Pure. */
export function placeText(config: { readonly directory: string }, paths: Paths, { file, line }: Origin): string {
  const base = [`${paths.etc}/`, `${config.directory}/`].find((prefix) => file.startsWith(prefix)) ?? '';
  return line > 0 ? `${file.slice(base.length)}:${line}` : file.slice(base.length);
}

/** The shape of `--json`: stable. Values are masked unless revealed. Pure. */
export function configJson(config: LoadedConfig, settings: readonly Setting[], reveal: boolean): unknown {
  const raw = (key: string, text: string) => (reveal ? text : isSecretName(key) && text !== '' ? MASK : maskText(text));
  return {
    app: config.app,
    directory: config.directory,
    stateDirectory: config.stateDirectory,
    logDirectory: config.logDirectory,
    daemons: config.daemons,
    files: config.files,
    settings: settings.map((setting) => ({
      section: setting.section,
      key: setting.key,
      value: shownText(setting, reveal),
      raw: raw(setting.key, setting.raw),
      secret: setting.secret,
      trust: setting.trust,
      origin: setting.origin,
      overridden: setting.overridden.map((item) => ({ ...item, raw: raw(setting.key, item.raw) })),
      chain: setting.chain.map(({ name, text, masked, origin, secret, overridden }) => ({
        name,
        value: reveal ? text : (masked ?? text),
        secret,
        ...(origin === undefined ? {} : { origin }),
        ...(overridden === undefined
          ? {}
          : { overridden: overridden.map((item) => ({ ...item, raw: raw(name, item.raw) })) }),
      })),
    })),
    warnings: config.warnings,
  };
}

function bySection(settings: readonly Setting[]): Map<string, Setting[]> {
  const groups = new Map<string, Setting[]>();
  for (const setting of settings) {
    const group = groups.get(setting.section);
    if (group === undefined) groups.set(setting.section, [setting]);
    else group.push(setting);
  }
  return groups;
}

function bold(text: string, color: boolean): string {
  return color ? `\x1b[1m${text}\x1b[22m` : text;
}

function dim(text: string, color: boolean): string {
  return color ? `\x1b[2m${text}\x1b[22m` : text;
}
