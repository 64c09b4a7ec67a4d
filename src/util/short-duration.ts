/** A duration in one or two units: `350ms`, `12s`, `3min`, `2h 5min`, `5d 3h`. Pure. @param milliseconds */
export function shortDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.max(Math.round(milliseconds), 0)}ms`;
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return two(hours, 'h', minutes % 60, 'min');
  return two(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

function two(most: number, unit: string, rest: number, less: string): string {
  return rest === 0 ? `${most}${unit}` : `${most}${unit} ${rest}${less}`;
}
