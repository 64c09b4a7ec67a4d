/**
 * Compiles a script so that its code cache holds some of its functions only. V8 has no call for that; but it compiles a
 * function, and those around it, when a debugger asks where in it a breakpoint could be.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Session } from 'node:inspector';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Script } from 'node:vm';

/** esbuild puts a number behind names that it meets twice in one file. Pure. */
export function plainName(name) {
  return name.replace(/(?<=\D)\d+$/, '');
}

/**
 * @param names of functions, as V8 tells them, through `plainName`. Those without a name go with the function around them.
 * @returns what `createCachedData` is to be called on. In a process of its own: debugging leaves traces.
 */
export function compileNamed(source, filename, names) {
  const script = new Script(source, { filename });
  // Only defines functions. The debugger sees no script before it is of a context.
  script.runInThisContext();
  const session = new Session();
  session.connect();
  let scriptId;
  session.on('Debugger.scriptParsed', ({ params }) => {
    if (params.url.endsWith(filename)) scriptId = params.scriptId;
  });
  post(session, 'Debugger.enable');
  const placeOf = places(source);
  for (const { start } of chosen(functionsOf(source), names)) {
    const place = { scriptId, ...placeOf(start + 1) };
    const end = { ...place, columnNumber: place.columnNumber + 1 };
    post(session, 'Debugger.getPossibleBreakpoints', { start: place, end, restrictToFunction: true });
  }
  post(session, 'Debugger.disable');
  session.disconnect();
  return script;
}

/** Within this process it is answered at once. */
function post(session, method, parameters) {
  let failed;
  session.post(method, parameters, (error) => {
    failed = error;
  });
  if (failed) throw new Error(`${method}: ${failed.message}`);
}

/** All functions of a script, outer ones first: `{ name, start, end }`, characters from its beginning. V8's own log tells them. */
export function functionsOf(source) {
  const directory = mkdtempSync(join(tmpdir(), 'metactl-functions-'));
  const log = join(directory, 'log');
  const flags = ['--no-lazy', '--log-function-events', '--no-logfile-per-isolate', `--logfile=${log}`];
  const compile = `new (require('node:vm').Script)(require('node:fs').readFileSync(0, 'utf8'), { filename: 'all-of-it' })`;
  try {
    execFileSync(process.execPath, [...flags, '-e', compile], { input: source });
    return parseLog(readFileSync(log, 'utf8'));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Pure. */
function parseLog(log) {
  const id = /^script-details,(\d+),all-of-it,/m.exec(log)?.[1];
  const line = new RegExp(`^function,interpreter,${id},(\\d+),(\\d+),[^,]*,[^,]*,(.*)$`, 'gm');
  return [...log.matchAll(line)]
    .map(([, start, end, name]) => ({ name, start: Number(start), end: Number(end) }))
    .sort((a, b) => a.start - b.start || b.end - a.end);
}

/** Pure. */
function chosen(functions, names) {
  const around = [];
  return functions.filter((one) => {
    while (around.length > 0 && around.at(-1).end <= one.start) around.pop();
    // The script itself, and the pieces in it.
    const wanted = one.name === '' ? (around.at(-1)?.wanted ?? true) : names.has(plainName(one.name));
    around.push({ end: one.end, wanted });
    return wanted;
  });
}

/** Line and column of characters that come in ascending order, both from 0. */
function places(source) {
  let line = 0;
  let begin = 0;
  return (at) => {
    for (let next = source.indexOf('\n', begin); next >= 0 && next < at; next = source.indexOf('\n', begin)) {
      line++;
      begin = next + 1;
    }
    return { lineNumber: line, columnNumber: at - begin };
  };
}
