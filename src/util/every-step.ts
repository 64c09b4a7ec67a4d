/**
 * Takes all steps, one after the other, whatever becomes of those before: for what is given back.
 * @throws what the first step that failed threw, when all have been taken.
 */
export async function everyStep(steps: readonly (() => unknown)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
