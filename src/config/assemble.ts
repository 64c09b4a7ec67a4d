import type { Platform } from '../platform/platform.ts';
import { isSecretName, MASK, maskText } from '../util/mask.ts';
import { hideInData, sortedSecrets } from '../util/secrets.ts';
import { acceptWarning } from './accept-warning.ts';
import { MergedConfig } from './app-config.ts';
import { checkDependencies } from './dependencies.ts';
import { Interpolator, type Resolved, scopeOf } from './interpolate.ts';
import { KeyFinder } from './key-finder.ts';
import type { LayerFile } from './layers.ts';
import { type Merged, type MergedKey, merge } from './merge.ts';
import * as messages from './messages.ts';
import { ProblemList } from './problem-list.ts';
import { readSecretFile } from './read-file.ts';
import { sectionSpec } from './schema/index.ts';
import { checkStopTime } from './stop-time.ts';
import {
  checkAddedDaemons,
  checkEffective,
  checkFirewall,
  checkLess,
  checkMountCount,
  checkTmpfs,
  forbiddenReference,
  type TrustContext,
} from './trust.ts';
import type { KeySpec, LoadedConfig, Origin, Problem, Setting } from './types.ts';
import { unbuiltProblem } from './unbuilt.ts';
import { checkNames, checkNumbers, checkRelations } from './validate.ts';
import { expectation, keepsQuotes, readValue } from './values.ts';

/** What a configuration is assembled from: the layers as read, and what is known about app and node. */
export interface Material {
  readonly app: string;
  readonly node: string;
  readonly site: string;
  readonly directory: string;
  readonly release: string;
  readonly stateDirectory: string;
  readonly logDirectory: string;
  readonly nodeFile: string;
  readonly siteFile: string;
  readonly metactlConf: string;
  /** Lowest layer first. */
  readonly files: readonly LayerFile[];
  readonly platforms: readonly Platform[];
  /** Undefined: bound later. */
  readonly ip: string | undefined;
  readonly ip6: string | undefined;
  readonly full: boolean;
}

/**
 * Merges, interpolates, types and checks. Pure but for the files that `%(file:)` names.
 * @returns a configuration of everything that is valid, and all problems of the rest.
 */
export function assemble(material: Material): { config: LoadedConfig; problems: readonly Problem[] } {
  return new Assembly(material).run();
}

class Assembly {
  readonly #material: Material;
  readonly #problems = new ProblemList();
  readonly #warnings = new ProblemList();
  readonly #finder: KeyFinder;
  readonly #merged: Merged;
  readonly #sections: Map<string, Map<string, MergedKey>>;
  readonly #trust: TrustContext;
  readonly #secrets = new Set<string>();
  #interpolator: Interpolator;
  #whyNoAddress = '';
  /** Some value has `%(ip)` or `%(ip6)` in it. */
  #namesAddress = false;

  constructor(material: Material) {
    this.#material = material;
    this.#finder = new KeyFinder(material.platforms);
    const { merged, problems } = merge(material.files, this.#finder.canonical);
    for (const file of material.files) this.#problems.addAll(file.problems);
    this.#problems.addAll(problems);
    this.#merged = merged;
    this.#sections = new Map([...merged.sections].map(([name, keys]) => [name, new Map(keys)]));
    const { nodeFile, siteFile, full, directory, stateDirectory } = material;
    this.#trust = { nodeFile, siteFile, full, own: [directory, stateDirectory], problems: this.#problems };
    this.#interpolator = this.#newInterpolator();
  }

  run(): { config: LoadedConfig; problems: readonly Problem[] } {
    const { files } = this.#material;
    this.#whyNoAddress = this.#lookForAddress();
    const daemons = checkNames(this.#material, this.#problems);
    for (const daemon of daemons) this.#addPlatform(daemon);
    // Platform defaults may have changed what names stand for.
    this.#interpolator = this.#newInterpolator();
    const usable = checkRelations({
      material: this.#material,
      sections: this.#sections,
      daemons,
      finder: this.#finder,
      trust: this.#trust,
      problems: this.#problems,
      warnings: this.#warnings,
    });
    const sections = this.#settings(usable);
    const policy = sections.get('firewall.out')?.filter(({ key }) => key === 'policy') ?? [];
    const accept = sections.get('firewall.out.accept') ?? [];
    checkFirewall(this.#find('firewall.out', 'policy')?.winner, files, [...policy, ...accept], this.#trust);
    const useless = acceptWarning(policy[0], accept);
    if (useless !== undefined) this.#warnings.at(useless.origin, useless.text);
    checkNumbers(sections, this.#problems);
    const most = sections.get('trust')?.find(({ key }) => key === 'daemons-max');
    checkAddedDaemons(daemons, files, most, this.#trust);
    if (checkDependencies(sections, this.#problems)) checkStopTime(sections, this.#trust);
    const tmpSize = sections.get('sandbox')?.find(({ key }) => key === 'tmp-size');
    const mounts = sections.get('sandbox.mounts') ?? [];
    checkTmpfs(mounts, tmpSize, this.#trust);
    checkMountCount(mounts, this.#trust);
    const environments = new Map(daemons.map((daemon) => [daemon, this.#environment(daemon)]));
    const unbuilt = this.#unbuilt(sections);
    this.#warnings.addAll(unbuilt.note);
    const secrets = sortedSecrets(this.#secrets);
    const config: LoadedConfig = new MergedConfig({
      secrets,
      app: this.#material.app,
      directory: this.#material.directory,
      stateDirectory: this.#material.stateDirectory,
      logDirectory: this.#material.logDirectory,
      daemons,
      files: files.map(({ file }) => file).filter((file) => file.startsWith('/')),
      warnings: hideInProblems(this.#warnings.items, secrets),
      unbuilt: { refuse: hideInProblems(unbuilt.refuse, secrets), note: hideInProblems(unbuilt.note, secrets) },
      sections,
      environments,
      find: this.#finder.find,
      canonical: this.#finder.canonical,
      sectionOrigin: (name) => headerOf(files, name),
      // Most apps don't name their address: theirs is not worked out again.
      bind: (ip, ip6) => (this.#namesAddress ? bind({ ...this.#material, ip, ip6 }) : config),
    });
    return { config, problems: hideInProblems(this.#problems.items, secrets) };
  }

  #find(section: string, key: string): MergedKey | undefined {
    return this.#sections.get(section)?.get(this.#finder.canonical(section, key));
  }

  #newInterpolator(): Interpolator {
    const { app, node, site, ip, ip6, release, directory, stateDirectory, logDirectory } = this.#material;
    const builtins = new Map<string, string | undefined>([
      ['app', app],
      ['node', node],
      ['site', site],
      ['ip', ip],
      ['ip6', ip6],
      ['release', release],
      ['app_dir', directory],
      ['state_dir', stateDirectory],
      ['log_dir', logDirectory],
    ]);
    const find = (section: string, key: string) => this.#find(section, key);
    return new Interpolator(
      {
        find,
        builtins,
        defaultOf: (section, key) => this.#finder.find(section, this.#finder.canonical(section, key))?.default,
        inSomeDaemon: (name) =>
          [...this.#sections].some(([section, keys]) => section.startsWith('env.') && keys.has(name)),
        known: () => [...(this.#sections.get('env')?.keys() ?? []), ...builtins.keys(), 'daemon'].slice(0, 1000),
        // What is passed on as it is has quotes that are somebody else's.
        keepsQuotes: (section, key) =>
          sectionSpec(section)?.repeats === true || keepsQuotes(this.#specOf(section, key)?.type ?? 'text'),
        forbidden: (user, name) => this.#noAddress(name) ?? this.#forbidden(user, name),
        readFile: readSecretFile,
      },
      this.#problems,
      this.#secrets,
    );
  }

  #forbidden(user: MergedKey, name: string): messages.Text | undefined {
    const secretOf = (section: string, key: string) => {
      const item = this.#find(section, key);
      if (item === undefined) return undefined;
      return { written: item.winner, secret: isSecretName(key) || maskText(item.winner.raw) !== item.winner.raw };
    };
    return forbiddenReference(user, name, secretOf, this.#trust);
  }

  #noAddress(name: string): messages.Text | undefined {
    if (name !== 'ip' && name !== 'ip6') return undefined;
    this.#namesAddress = true;
    const { ip, ip6 } = this.#material;
    if (name === 'ip6' && ip !== undefined && ip6 === undefined) {
      return messages.noAddress(name, 'it has no IPv6 network in [network] pool');
    }
    if (this.#whyNoAddress === '') return undefined;
    return messages.noAddress(name, this.#whyNoAddress);
  }

  /** Why the app has no address of its own; '' where it has one. */
  #lookForAddress(): string {
    const textOf = (section: string, key: string) => {
      const item = this.#find(section, key);
      return item === undefined ? undefined : this.#interpolator.resolve(item, undefined)?.text;
    };
    const enabled = textOf('sandbox', 'enabled') ?? 'yes';
    const mode = textOf('sandbox.net', 'mode');
    if (readValue({ key: '', type: 'boolean', doc: '' }, enabled) === false) return `[sandbox] enabled = ${enabled}`;
    return mode === 'host' || mode === 'none' ? `[sandbox.net] mode = ${mode}` : '';
  }

  /** Layer 0: the defaults of the daemon's platform, for keys that nobody sets or unsets. */
  #addPlatform(daemon: string): void {
    const section = `daemon.${daemon}`;
    const keys = this.#sections.get(section)!;
    const item = keys.get('platform');
    const name = item === undefined ? 'exec' : this.#interpolator.resolve(item, daemon)?.text;
    if (name === undefined) return;
    const platform = this.#material.platforms.find((candidate) => candidate.name === name);
    if (platform === undefined) {
      const known = this.#material.platforms.map((candidate) => candidate.name);
      if (item !== undefined) this.#problems.at(item.winner.origin, messages.unknownPlatform(name, known));
      return;
    }
    this.#finder.setPlatform(daemon, platform);
    const context = { app: this.#material.app, daemon, ownNetwork: this.#whyNoAddress === '' };
    const origin: Origin = { layer: 'platform', file: `${platform.name} default`, line: 0, column: 0 };
    for (const [key, raw] of Object.entries(platform.defaults(context))) {
      const written = { layer: 'platform' as const, raw, origin, keyColumn: 0 };
      const before = keys.get(key);
      if (before !== undefined) keys.set(key, { ...before, overridden: [...before.overridden, written] });
      else if (!this.#merged.unset.has(`${section}\0${key}`)) {
        keys.set(key, { section, key, winner: written, overridden: [] });
      }
    }
  }

  /** Types everything that the schema knows. Daemons come first, so that chains of faults start at their user. */
  #settings(usable: (section: string, key: string) => boolean): Map<string, readonly Setting[]> {
    const names = [...this.#sections.keys()];
    const order = [...names.filter((name) => !isEnv(name)), ...names.filter(isEnv)];
    const done = new Map<string, readonly Setting[]>();
    for (const name of order) {
      const items = this.#merged.repeated.get(name) ?? [...this.#sections.get(name)!.values()];
      const settings = items.filter(({ key }) => usable(name, key)).map((item) => this.#setting(item, scopeOf(name)));
      done.set(
        name,
        settings.filter((setting) => setting !== undefined),
      );
    }
    return new Map(names.map((name) => [name, done.get(name)!]));
  }

  #specOf(section: string, key: string): KeySpec | undefined {
    return this.#finder.find(section, key);
  }

  #setting(item: MergedKey, scope: string | undefined): Setting | undefined {
    const spec = this.#specOf(item.section, item.key);
    const resolved = spec === undefined ? undefined : this.#interpolator.resolve(item, scope);
    if (spec === undefined || resolved === undefined) return undefined;
    const value = readValue(spec, resolved.text);
    const { origin } = item.winner;
    if (value === undefined) {
      const shown = messages.badValue(resolved.masked, expectation(spec, resolved.text), spec.values);
      const message = `${shown.message}${messages.viaChain(resolved.chain)}`;
      this.#problems.at(origin, { ...shown, message });
      return undefined;
    }
    const setting: Setting = {
      section: item.section,
      key: item.key,
      raw: item.winner.raw,
      text: resolved.text,
      value,
      origin,
      chain: resolved.chain,
      overridden: item.overridden.map(({ raw, origin: where }) => ({ raw, origin: where })),
      trust: resolved.trust,
      secret: resolved.masked !== resolved.text,
      masked: resolved.masked,
    };
    checkEffective(setting, spec, this.#trust);
    if (spec.onlyLess !== undefined) this.#checkLess(item, spec, resolved, scope);
    this.#checkCommandLine(setting, spec);
    return setting;
  }

  #checkLess(item: MergedKey, spec: KeySpec, resolved: Resolved, scope: string | undefined): void {
    const read = (text: string) => readValue(spec, text);
    const above = item.winner.layer === 'site' || item.winner.layer === 'node';
    const value = read(resolved.text);
    const bound =
      above && resolved.trust !== 'application' && value !== undefined
        ? { value, shown: resolved.masked, written: item.winner }
        : undefined;
    for (const written of [item.winner, ...item.overridden]) {
      const own = written === item.winner;
      if (own ? resolved.trust !== 'application' : written.layer !== 'application') continue;
      const mine = own ? resolved : this.#interpolator.resolve({ ...item, winner: written, overridden: [] }, scope);
      const asked = mine === undefined ? undefined : read(mine.text);
      if (mine === undefined || asked === undefined) continue;
      checkLess({ key: item.key, spec, written, value: asked, shown: mine.masked, bound }, read, this.#trust);
    }
  }

  /** Everybody on the host can read command lines. */
  #checkCommandLine(setting: Setting, spec: KeySpec): void {
    const isCommandLine = spec.type === 'command' || setting.section === 'crontab';
    const secret = setting.chain.find((link) => link.secret);
    if (!isCommandLine || secret === undefined) return;
    this.#warnings.at(setting.origin, messages.secretOnCommandLine(setting.key, secret.name));
  }

  #environment(daemon: string): readonly Setting[] {
    const own = this.#sections.get(`env.${daemon}`) ?? new Map<string, MergedKey>();
    const items = new Map([...(this.#sections.get('env') ?? [])]);
    for (const [key, item] of own) {
      const shadowed = items.get(key);
      const overridden = shadowed === undefined ? [] : [shadowed.winner, ...shadowed.overridden];
      items.set(key, { ...item, overridden: [...item.overridden, ...overridden] });
    }
    return [...items.values()].map((item) => this.#setting(item, daemon)).filter((setting) => setting !== undefined);
  }

  #unbuilt(sections: ReadonlyMap<string, readonly Setting[]>): LoadedConfig['unbuilt'] {
    const refuse: Problem[] = [];
    const note: Problem[] = [];
    for (const setting of [...sections.values()].flat()) {
      const spec = this.#specOf(setting.section, setting.key);
      const problem = spec === undefined ? undefined : unbuiltProblem(setting, spec);
      if (problem !== undefined) (spec!.unbuilt === 'protects' ? refuse : note).push(problem);
    }
    return { refuse, note };
  }
}

/** Places stay as they are: they are looked up. */
function hideInProblems(problems: readonly Problem[], secrets: readonly string[]): readonly Problem[] {
  return problems.map(({ message, hint, ...place }) => ({
    ...place,
    ...hideInData(hint === undefined ? { message } : { message, hint }, secrets),
  }));
}

function headerOf(files: readonly LayerFile[], name: string): Origin | undefined {
  for (const { layer, file, headers } of files.toReversed()) {
    const header = headers.find(({ section }) => section === name);
    if (header !== undefined) return { layer, file, line: header.line, column: header.column };
  }
  return undefined;
}

function isEnv(section: string): boolean {
  return section === 'env' || section.startsWith('env.');
}

function bind(material: Material): LoadedConfig {
  const { config, problems } = assemble(material);
  if (problems.length > 0) throw messages.configurationError(problems);
  return config;
}

/** What a raw value may be shown as. */
export function maskedRaw(key: string, raw: string): string {
  return isSecretName(key) && raw !== '' ? MASK : maskText(raw);
}
