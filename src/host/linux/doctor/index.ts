import type { NodeConfig } from '../../../config/types.ts';
import type { Paths } from '../../../util/paths.ts';
import type { Finding } from '../../finding.ts';
import type { Published } from '../../published.ts';
import { evaluate } from './evaluate.ts';
import { gatherFacts } from './gather.ts';

/** See Host.examine. */
export function examine(paths: Paths, node: NodeConfig, published: Published): Finding[] {
  return evaluate(gatherFacts(paths, node, published));
}
