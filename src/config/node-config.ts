import { hostname } from 'node:os';
import type { Paths } from '../util/paths.ts';
import { readLayer } from './layers.ts';
import { merge } from './merge.ts';
import * as messages from './messages.ts';
import { ProblemList } from './problem-list.ts';
import { keySpec, NODE_SECTIONS } from './schema/index.ts';
import { parseRange } from './schema/node.ts';
import type { NodeConfig, Origin, Problem, Value } from './types.ts';
import { expectation, keepsQuotes, readValue, unquote } from './values.ts';

/**
 * Reads `/etc/metactl/metactl.conf`; without it, and for what is wrong in it, the defaults.
 * @throws MetactlError METACTL_NEEDS_ROOT (77) where it may not be read.
 */
export function inspectNode(paths: Paths, text?: string): { node: NodeConfig; problems: readonly Problem[] } {
  const replacement = text === undefined ? undefined : { file: paths.metactlConf, text };
  const layer = readLayer('node', paths.metactlConf, replacement);
  const problems = new ProblemList();
  const values = new Map<string, { value: Value; origin: Origin }>();
  if (layer !== undefined) {
    problems.addAll(layer.problems);
    const names = NODE_SECTIONS.map((section) => section.name);
    for (const { section, line, column } of layer.headers) {
      if (names.includes(section)) continue;
      problems.add({ ...messages.unknownNodeSection(section, names), file: layer.file, line, column });
    }
    for (const { section, key, winner } of [...merge([layer]).merged.sections.values()].flatMap((s) => [
      ...s.values(),
    ])) {
      const keys = NODE_SECTIONS.find(({ name }) => name === section)?.keys;
      if (keys === undefined) continue;
      const spec = keySpec(keys, key);
      if (spec === undefined) {
        const text = messages.unknownKey(
          section,
          key,
          keys.map((known) => known.key),
        );
        problems.at(winner.origin, text, winner.keyColumn);
        continue;
      }
      const text = keepsQuotes(spec.type) ? winner.raw : unquote(winner.raw);
      const value = readValue(spec, text);
      if (value === undefined)
        problems.at(winner.origin, messages.badValue(text, expectation(spec, text), spec.values));
      else values.set(`${section}.${key}`, { value, origin: winner.origin });
    }
  }
  return { node: nodeConfig(values), problems: problems.items };
}

function nodeConfig(values: ReadonlyMap<string, { value: Value; origin: Origin }>): NodeConfig {
  const text = (name: string) => values.get(name)?.value as string | undefined;
  return {
    name: text('node.name') ?? hostname(),
    site: text('node.site') ?? defaultOf('node', 'site'),
    uidRange: parseRange(text('node.uid-range') ?? defaultOf('node', 'uid-range'))!,
    subuidRange: parseRange(text('node.subuid-range') ?? defaultOf('node', 'subuid-range'))!,
    serviceManager: text('node.service-manager') ?? defaultOf('node', 'service-manager'),
    pool: (values.get('network.pool')?.value as readonly string[] | undefined) ?? [],
    poolOrigin: values.get('network.pool')?.origin,
    uplink: text('network.uplink'),
  };
}

function defaultOf(section: string, key: string): string {
  return keySpec(NODE_SECTIONS.find(({ name }) => name === section)!.keys, key)!.default!;
}
