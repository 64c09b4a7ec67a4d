/** Each is looked after this often, as long as there are few. ms */
const ROUND = 900;
/** And with many, one of them this often: looking takes some 0.2 ms, and starts must not wait for it. ms */
const SHORTEST = 50;

const looks: (() => void)[] = [];
let next = 0;
let timer: NodeJS.Timeout | undefined;

/** Calls `look` regularly, in turns with those of other apps. It does not keep the process alive. @returns a function that ends it. */
export function lookRegularly(look: () => void): () => void {
  looks.push(look);
  schedule();
  let done = false;
  return () => {
    if (done) return;
    done = true;
    looks.splice(looks.indexOf(look), 1);
    schedule();
  };
}

function schedule(): void {
  clearInterval(timer);
  timer = undefined;
  if (looks.length === 0) return;
  timer = setInterval(
    () => {
      next = (next + 1) % looks.length;
      looks[next]!();
    },
    Math.max(SHORTEST, ROUND / looks.length),
  ).unref();
}
