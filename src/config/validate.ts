import type { Material } from './assemble.ts';
import type { KeyFinder } from './key-finder.ts';
import type { LayerFile } from './layers.ts';
import type { MergedKey } from './merge.ts';
import * as messages from './messages.ts';
import { nameProblem } from './names.ts';
import type { ProblemList } from './problem-list.ts';
import { APP_SECTIONS, NODE_SECTIONS, sectionSpec } from './schema/index.ts';
import { checkWritten, type TrustContext } from './trust.ts';
import type { Setting } from './types.ts';

type Sections = ReadonlyMap<string, ReadonlyMap<string, MergedKey>>;

/** An app of more daemons than this is a mistake, or an attack on the time of whoever reads it. */
const MOST_DAEMONS = 100;

/** Each entry may cut each other one into pieces; an application's must not take the machine's time. */
const MOST_ACCEPTED = 64;

/** Checks how long sections are of which every key counts. */
export function checkNumbers(sections: ReadonlyMap<string, readonly Setting[]>, problems: ProblemList): void {
  const first = sections.get('firewall.out.accept')?.[MOST_ACCEPTED];
  if (first !== undefined)
    problems.at(first.origin, messages.tooMany('entries of [firewall.out.accept]', MOST_ACCEPTED));
}

/** Checks the names of sections. @returns the daemons, in order of first appearance. */
export function checkNames(
  material: Pick<Material, 'files' | 'metactlConf'>,
  problems: ProblemList,
): readonly string[] {
  const daemons: string[] = [];
  const seen = new Set<string>();
  let told = false;
  const known = APP_SECTIONS.map(({ name }) => name);
  for (const { file, headers } of material.files) {
    for (const { section, line, column } of headers) {
      const at = { file, line, column };
      if (sectionSpec(section) === undefined) {
        const text = NODE_SECTIONS.some(({ name }) => name === section)
          ? messages.nodeSection(section, material.metactlConf)
          : messages.unknownSection(section, known);
        problems.add({ ...text, ...at });
        continue;
      }
      if (!section.startsWith('daemon.') || seen.has(section)) continue;
      seen.add(section);
      // Told once: a thousand daemons are one mistake.
      if (daemons.length === MOST_DAEMONS) {
        if (!told) problems.add({ ...messages.tooMany('daemons', MOST_DAEMONS), ...at });
        told = true;
        continue;
      }
      const daemon = section.slice('daemon.'.length);
      const bad = nameProblem(daemon, 'daemon');
      if (bad !== undefined) problems.add({ message: bad, ...at });
      else daemons.push(daemon);
    }
  }
  return daemons;
}

export interface Relations {
  readonly material: Material;
  readonly sections: Sections;
  readonly daemons: readonly string[];
  readonly finder: KeyFinder;
  readonly trust: TrustContext;
  readonly problems: ProblemList;
  readonly warnings: ProblemList;
}

/**
 * Checks every key of every file: that it exists, that its layer may set it, that what its name refers to is there.
 * @returns which keys of the merged configuration are good enough to be typed.
 */
export function checkRelations(relations: Relations): (section: string, key: string) => boolean {
  const bad = new Set<string>();
  for (const file of relations.material.files) {
    checkHeaders(file, relations);
    for (const entry of file.entries) {
      if (!checkEntry(file, entry, relations)) {
        bad.add(`${entry.section}\0${relations.finder.canonical(entry.section, entry.key)}`);
      }
    }
  }
  return (section, key) => sectionSpec(section) !== undefined && !bad.has(`${section}\0${key}`);
}

function checkHeaders(file: LayerFile, { daemons, sections, problems }: Relations): void {
  for (const { section, line, column } of file.headers) {
    const at = { file: file.file, line, column };
    if (section.startsWith('env.') && !daemons.includes(section.slice('env.'.length))) {
      problems.add({ ...messages.unknownDaemon(section.slice('env.'.length), daemons), ...at });
    }
    if (section.startsWith('cron.')) {
      const label = section.slice('cron.'.length);
      const labels = [...(sections.get('crontab')?.keys() ?? [])];
      if (!labels.includes(label)) problems.add({ ...messages.unknownJob(label, labels), ...at });
    }
  }
}

function checkEntry(
  file: LayerFile,
  { section, key: written, line, keyColumn }: LayerFile['entries'][number],
  relations: Relations,
): boolean {
  const { finder, problems, warnings, daemons } = relations;
  const sectionIs = sectionSpec(section);
  if (sectionIs === undefined) return false;
  const at = { file: file.file, line, column: keyColumn };
  const key = finder.canonical(section, written);
  const spec = finder.find(section, key);
  if (spec === undefined) return unknownKey(section, written, at, relations);
  if (sectionIs.keyPattern !== undefined && !sectionIs.keyPattern.test(key)) {
    problems.add({ ...messages.badFreeKey(section, written, sectionIs.keyExpected ?? ''), ...at });
    return false;
  }
  const instead = sectionIs.instead?.get(key);
  if (instead !== undefined) {
    problems.add({ ...messages.setInstead(section, key, instead), ...at });
    return false;
  }
  if (section === 'env' && BUILTINS.has(key)) warnings.add({ ...messages.builtinShadowed(key), ...at });
  if (key.startsWith('depends-on.') && section.startsWith('daemon.')) {
    const others = daemons.filter((daemon) => `daemon.${daemon}` !== section);
    const other = key.slice('depends-on.'.length);
    if (!others.includes(other)) {
      problems.add({ ...messages.unknownDaemon(other, others), ...at });
      return false;
    }
  }
  return checkWritten(file, section, key, spec, { line, keyColumn }, relations.trust);
}

const BUILTINS: ReadonlySet<string> = new Set('app daemon node site ip release app_dir state_dir log_dir'.split(' '));

function unknownKey(
  section: string,
  key: string,
  at: { file: string; line: number; column: number },
  { finder, problems }: Relations,
): false {
  const daemon = section.startsWith('daemon.') ? section.slice('daemon.'.length) : undefined;
  const platform = daemon === undefined ? undefined : finder.platformOf(daemon);
  const owners = daemon === undefined ? [] : finder.owners(key);
  // Of an unknown platform it can't be told whether it has the key; that it is unknown has been told.
  if (daemon !== undefined && platform === undefined && owners.length > 0) return false;
  const known = problems.full ? [] : finder.keysOf(section).map((spec) => spec.key.replace(/\.\*$/, '.NAME'));
  const text =
    platform !== undefined && owners.length > 0
      ? messages.otherPlatformsKey(key, owners, platform.name)
      : messages.unknownKey(section, key, known);
  problems.add({ ...text, ...at });
  return false;
}
