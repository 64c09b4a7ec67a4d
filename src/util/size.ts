const FACTORS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 };

/**
 * Reads a size: `4096`, `256m`, `2g`, `1.5g`, `infinity`; base 1024, upper or lower case.
 * @returns whole bytes, Infinity for `infinity`, undefined where the text is no size.
 */
export function parseSize(text: string): number | undefined {
  const trimmed = text.trim();
  if (trimmed === 'infinity') return Number.POSITIVE_INFINITY;
  const match = /^(\d{1,16}(?:\.\d{1,6})?)([kmgtp]?)$/i.exec(trimmed);
  if (match === null) return undefined;
  const bytes = Number(match[1]) * FACTORS[match[2]!.toLowerCase()]!;
  const whole = Math.round(bytes);
  return Number.isSafeInteger(whole) ? whole : undefined;
}

/** Writes bytes with the largest unit that leaves a whole number: `256m`, `2g`, `4097`. */
export function formatSize(bytes: number): string {
  if (bytes === Number.POSITIVE_INFINITY) return 'infinity';
  if (bytes === 0) return '0';
  for (const unit of ['p', 't', 'g', 'm', 'k']) {
    if (Number.isInteger(bytes / FACTORS[unit]!)) return `${bytes / FACTORS[unit]!}${unit}`;
  }
  return String(bytes);
}
