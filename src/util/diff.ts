/** Lines before and after a change that are shown with it, as `diff -u` has them. */
const CONTEXT = 3;

type Mark = ' ' | '-' | '+';
interface Line {
  readonly mark: Mark;
  readonly text: string;
}

/**
 * The difference of two texts as `diff -u` prints it; '' where there is none. Undefined stands for a file that is not
 * there. For files of some hundred lines: time and memory go with the product of both lengths. Pure.
 */
export function unifiedDiff(name: string, before: string | undefined, after: string | undefined): string {
  if (before === after) return '';
  const lines = compare(linesOf(before), linesOf(after));
  const shown = new Set<number>();
  lines.forEach(({ mark }, at) => {
    if (mark !== ' ') for (let i = at - CONTEXT; i <= at + CONTEXT; i++) shown.add(i);
  });
  const heads = [
    `--- ${before === undefined ? '/dev/null' : name}\n`,
    `+++ ${after === undefined ? '/dev/null' : name}\n`,
  ];
  return heads.join('') + hunks(lines, shown).join('');
}

function linesOf(text: string | undefined): readonly string[] {
  return text === undefined || text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

/** By the longest common subsequence. */
function compare(a: readonly string[], b: readonly string[]): readonly Line[] {
  const width = b.length + 1;
  const lengths = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i * width + j] =
        a[i] === b[j]
          ? lengths[(i + 1) * width + j + 1]! + 1
          : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!);
    }
  }
  const lines: Line[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ mark: ' ', text: a[i++]! });
      j++;
    } else if (j === b.length || (i < a.length && lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!)) {
      lines.push({ mark: '-', text: a[i++]! });
    } else lines.push({ mark: '+', text: b[j++]! });
  }
  return lines;
}

function hunks(lines: readonly Line[], shown: ReadonlySet<number>): string[] {
  const found: string[] = [];
  let [old, now] = [1, 1];
  for (let at = 0; at < lines.length; ) {
    const start = at;
    while (at < lines.length && shown.has(at)) at++;
    const part = lines.slice(start, at);
    if (part.length === 0) {
      at++;
      [old, now] = [old + 1, now + 1];
      continue;
    }
    const olds = part.filter(({ mark }) => mark !== '+').length;
    const news = part.filter(({ mark }) => mark !== '-').length;
    const range = (first: number, count: number) =>
      count === 1 ? `${first}` : `${count === 0 ? first - 1 : first},${count}`;
    found.push(`@@ -${range(old, olds)} +${range(now, news)} @@\n`);
    found.push(...part.map(({ mark, text }) => `${mark}${text}\n`));
    [old, now] = [old + olds, now + news];
  }
  return found;
}
