let turn = 0;
let counting = false;

/**
 * Number of this turn of the event loop. What somebody asks for after having changed something comes in a later one, so that
 * what has been looked at in this one need not be looked at again.
 */
export function loopTurn(): number {
  if (!counting) {
    counting = true;
    setImmediate(() => {
      turn++;
      counting = false;
    });
  }
  return turn;
}
