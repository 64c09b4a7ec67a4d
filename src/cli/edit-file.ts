import { spawnSync } from 'node:child_process';
import { lstatSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createFile, makeConfigDirectories, makeDirectory, replaceFile } from '../config/install.ts';
import { administratorsFiles } from '../config/layers.ts';
import { inspectApp, listApps } from '../config/load.ts';
import { configurationError, formatProblem } from '../config/messages.ts';
import { requireAppName } from '../config/names.ts';
import { readConfigFile } from '../config/read-file.ts';
import { nodeFileText } from '../config/template.ts';
import type { Problem } from '../config/types.ts';
import { platforms } from '../platform/index.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { escapeText } from '../util/escape.ts';
import type { Paths } from '../util/paths.ts';
import { splitWords } from '../util/words.ts';

export interface EditRequest {
  readonly paths: Paths;
  readonly app: string;
  readonly layer: 'site' | 'node';
  /** Program and arguments; the file comes last. */
  readonly editor: readonly string[];
  /**
   * Asks a question and gives the first letter of the answer, undefined for an answer that doesn't come (Ctrl-C);
   * undefined: nobody is there to answer.
   */
  readonly ask: ((question: string) => Promise<string | undefined>) | undefined;
  readonly tell: (line: string) => void;
}

/** `$VISUAL`, `$EDITOR` or vi, as words: never a shell. @throws MetactlError METACTL_EDITOR (1) for unbalanced quotes. */
export function editorWords(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const text = [env.VISUAL, env.EDITOR].find((value) => value !== undefined && value.trim() !== '') ?? 'vi';
  const { words, problem } = splitWords(text);
  if (problem === undefined) return words;
  throw editorError(`the editor ${JSON.stringify(text)} has ${problem.message}`, 'correct $VISUAL or $EDITOR');
}

/**
 * Lets an administrator edit one file of an app. What is on disk changes only as a whole, only to a text without new
 * problems, and only if nobody else changed it meanwhile.
 * @throws MetactlError: METACTL_NO_SUCH_APP (4), METACTL_EDITOR (1), METACTL_CHANGED_MEANWHILE (1),
 * METACTL_CONFIGURATION (78) for a broken text that was given up, METACTL_NEEDS_ROOT (77).
 */
export async function editApp(request: EditRequest): Promise<{ file: string; changed: boolean }> {
  const { paths, app, layer } = request;
  requireAppName(app);
  const file = administratorsFiles(paths, app)[layer];
  if (!listApps(paths).includes(app)) {
    throw new MetactlError(`there is no app \`${app}\``, {
      code: 'METACTL_NO_SUCH_APP',
      path: file,
      hint: `create it with metactl new ${app}`,
      exitStatus: EXIT.noSuchApp,
    });
  }
  const before = readText(file);
  const original = before ?? (layer === 'node' ? nodeFileText(app, undefined) : `# ${app} on this site.\n`);
  const draft = makeDraft(paths, app, original);
  let keep = false;
  try {
    const text = await editUntilGood(request, { file, original, draft: draft.file });
    keep = isWorthKeeping(draft.file, original);
    if (text === undefined) throw brokenText(request, file);
    if (text === original) return { file, changed: false };
    if (readText(file) !== before) throw changedMeanwhile(file);
    makeConfigDirectories(paths);
    replaceFile(file, text);
    keep = false;
    return { file, changed: true };
  } catch (error) {
    keep ||= error instanceof MetactlError && error.code === 'METACTL_EDITOR' && isWorthKeeping(draft.file, original);
    throw error;
  } finally {
    if (keep) request.tell(`your text is kept in ${draft.file}`);
    else draft.remove();
  }
}

interface Draft {
  readonly file: string;
  remove(): void;
}

/** A copy to edit, mode 0600, in a directory of its own that only root can enter: editors leave things beside it. */
function makeDraft(paths: Paths, app: string, text: string): Draft {
  const had = lstatSync(paths.run, { throwIfNoEntry: false }) !== undefined;
  makeParents(dirname(paths.run));
  makeDirectory(paths.run, 0o700);
  const directory = mkdtempSync(join(paths.run, 'edit-'));
  const file = join(directory, `${app}.conf`);
  createFile(file, text);
  return {
    file,
    remove() {
      rmSync(directory, { recursive: true, force: true });
      if (!had) removeIfEmpty(paths.run);
    },
  };
}

function makeParents(directory: string): void {
  if (lstatSync(directory, { throwIfNoEntry: false }) !== undefined) return;
  makeParents(dirname(directory));
  makeDirectory(directory, 0o755);
}

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Somebody else uses it by now.
  }
}

/** @returns a text without new problems, or undefined where a broken one can't be edited again. */
async function editUntilGood(
  request: EditRequest,
  { file, original, draft }: { file: string; original: string; draft: string },
): Promise<string | undefined> {
  const old = problemsWith(request, file, undefined);
  for (;;) {
    runEditor(request.editor, draft);
    const { text, problem: unreadable } = readDraft(draft);
    if (text === original) return text;
    const found =
      text === undefined ? [{ ...unreadable, file, line: 0, column: 0 }] : problemsWith(request, file, text);
    const problems = found.filter(
      (problem) => problem.file === file || !old.some((known) => formatProblem(known) === formatProblem(problem)),
    );
    if (text !== undefined && problems.length === 0) return text;
    for (const problem of problems) request.tell(escapeText(formatProblem(problem)));
    if (request.ask === undefined) return undefined;
    const answer = await request.ask('Not installed. (e)dit again or (d)iscard your changes?');
    if (answer === undefined) return undefined;
    if (answer === 'd') throw discarded(file, problems);
  }
}

/** Problems of the app with a text in place of the file's; with undefined, as it is. */
function problemsWith({ paths, app }: EditRequest, file: string, text: string | undefined): readonly Problem[] {
  const options = text === undefined ? {} : { replacement: { file, text } };
  return inspectApp(paths, app, platforms, options).problems;
}

/** Signals of the keyboard are the editor's while it runs. */
function runEditor(editor: readonly string[], file: string): void {
  const [program = 'vi', ...words] = editor;
  const ignore = () => {};
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.on(signal, ignore);
  const result = spawnSync(program, [...words, file], { stdio: 'inherit', shell: false });
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.off(signal, ignore);
  if (result.error !== undefined) {
    const { code } = result.error as NodeJS.ErrnoException;
    throw editorError(`can't run the editor \`${program}\`: ${code}`, 'set $VISUAL or $EDITOR; nothing was changed');
  }
  if (result.status !== 0) {
    const how = result.signal === null ? `with status ${result.status}` : `by ${result.signal}`;
    throw editorError(`the editor \`${program}\` ended ${how}`, 'nothing was changed');
  }
}

/** @throws MetactlError (78) for a file that is no configuration file at all. */
function readText(file: string): string | undefined {
  const read = readConfigFile(file, true);
  if ('text' in read) return read.text;
  if ('absent' in read) return undefined;
  throw configurationError([{ ...read.problem, file, line: read.line, column: read.line === 0 ? 0 : 1 }]);
}

/** The draft lies where only root can reach it; its mode is the editor's matter. */
function readDraft(draft: string): { text?: string; problem: { message: string } } {
  const read = readConfigFile(draft, false);
  if ('text' in read) return { text: read.text, problem: { message: '' } };
  return { problem: 'absent' in read ? { message: 'found nothing: the editor removed the text' } : read.problem };
}

/** Also what is no text at all, but not what the editor removed. */
function isWorthKeeping(draft: string, original: string): boolean {
  return lstatSync(draft, { throwIfNoEntry: false }) !== undefined && readDraft(draft).text !== original;
}

function brokenText(request: EditRequest, file: string): MetactlError {
  return new MetactlError(`the new text of ${file} has problems and was not installed`, {
    code: 'METACTL_CONFIGURATION',
    path: file,
    hint: `run metactl edit ${request.app} on a terminal to be asked again`,
    exitStatus: EXIT.configuration,
  });
}

/** The problems have been shown already. */
function discarded(file: string, problems: readonly Problem[]): MetactlError {
  return new MetactlError(`your changes of ${file} were discarded; nothing was installed`, {
    code: 'METACTL_CONFIGURATION',
    path: file,
    details: { problems },
    exitStatus: EXIT.configuration,
  });
}

function changedMeanwhile(file: string): MetactlError {
  return new MetactlError(`${file} was changed by somebody else meanwhile; nothing was installed`, {
    code: 'METACTL_CHANGED_MEANWHILE',
    path: file,
    hint: 'look at both texts, then edit again',
  });
}

function editorError(message: string, hint: string): MetactlError {
  return new MetactlError(message, { code: 'METACTL_EDITOR', step: 'edit', hint });
}
