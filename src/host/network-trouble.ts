/** Something on this machine that is in the way of a running app's network. */
export interface NetworkTrouble {
  readonly id: 'foreign-firewall' | 'publish-address';
  /** What goes on after `the app runs, but `. */
  readonly what: string;
  /** What to do, in one sentence without its capital letter. */
  readonly todo: string;
}
