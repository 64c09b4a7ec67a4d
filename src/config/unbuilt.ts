import * as messages from './messages.ts';
import type { KeySpec, LoadedConfig, Problem, Setting } from './types.ts';

/** A key that is set, but whose feature this version does not have; undefined: it has it. */
export function unbuiltProblem(setting: Setting, spec: KeySpec): Problem | undefined {
  if (spec.unbuilt === undefined || spec.builtValues?.includes(setting.text.toLowerCase())) return undefined;
  const { file, line, column } = setting.origin;
  return { ...messages.unbuilt(setting.section, setting.key, setting.masked ?? setting.text), file, line, column };
}

/**
 * What a configuration asks for that this version does not have.
 * `refuse`: it would restrict or protect, so `run` must not start without it; `note`: the rest.
 */
export function unbuiltProblems(config: LoadedConfig): LoadedConfig['unbuilt'] {
  return config.unbuilt;
}

/** @throws MetactlError METACTL_CONFIGURATION (78) where the configuration asks for protection that this version lacks. */
export function requireBuilt(config: LoadedConfig): void {
  if (config.unbuilt.refuse.length > 0) throw messages.configurationError(config.unbuilt.refuse);
}
