/** So many items of a list fit into a line that somebody reads. */
const MOST = 8;

/** `a b c`, or the first ones and how many more there are. Pure. */
export function shortList(items: readonly string[], most = MOST): string {
  if (items.length <= most) return items.join(' ');
  return `${items.slice(0, most).join(' ')} and ${items.length - most} more`;
}
