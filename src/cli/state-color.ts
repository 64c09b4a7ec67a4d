const GREEN = 32;
const YELLOW = 33;
const RED = 31;
const DIM = 2;

const COLORS: Readonly<Record<string, number>> = {
  ready: GREEN,
  running: GREEN,
  failed: RED,
  maintenance: RED,
  stopped: DIM,
  disabled: DIM,
};

/** A text in the colour of a state: green where all is well, red where somebody must look, yellow between. Pure. */
export function paintState(state: string, text: string, color: boolean): string {
  if (!color) return text;
  return `\x1b[${COLORS[state] ?? YELLOW}m${text}\x1b[0m`;
}
