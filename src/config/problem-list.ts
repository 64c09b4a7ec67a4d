import { escapeText } from '../util/escape.ts';
import type { Text } from './messages.ts';
import type { Origin, Problem } from './types.ts';

/** More would help nobody, and finding near names for thousands of them would take long. */
const MOST = 200;

/** Collects problems, each once, escaped, up to a limit. */
export class ProblemList {
  readonly #problems = new Map<string, Problem>();

  get items(): readonly Problem[] {
    return [...this.#problems.values()];
  }

  get full(): boolean {
    return this.#problems.size >= MOST;
  }

  /** Names of sections and keys are developers' text too: here all of it becomes safe for root's terminal. */
  add(problem: Problem): void {
    if (this.full) return;
    const id = `${problem.file}\0${problem.line}\0${problem.column}\0${problem.message}`;
    const { hint } = problem;
    const message = escapeText(problem.message);
    this.#problems.set(id, { ...problem, message, ...(hint === undefined ? {} : { hint: escapeText(hint) }) });
  }

  addAll(problems: Iterable<Problem>): void {
    for (const problem of problems) this.add(problem);
  }

  at(origin: Origin, text: Text, column: number = origin.column): void {
    this.add({ ...text, file: origin.file, line: origin.line, column });
  }
}
