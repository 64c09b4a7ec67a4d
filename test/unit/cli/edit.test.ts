import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type EditRequest, editApp, editorWords } from '../../../src/cli/edit-file.ts';
import { MetactlError } from '../../../src/util/error.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { appRoot, put, scratchRoot, shorten } from '../config/root.ts';

/** A real editor: a script that gets the file's name as its last argument, and how often it has run in `n`. */
function editor(root: string, script: string): readonly string[] {
  const program = put(
    root,
    'editor.mjs',
    `import fs from 'node:fs';
     const file = process.argv.at(-1);
     const counter = ${JSON.stringify(join(root, 'runs'))};
     const n = fs.existsSync(counter) ? Number(fs.readFileSync(counter, 'utf8')) + 1 : 1;
     fs.writeFileSync(counter, String(n));
     ${script}`,
  );
  return [process.execPath, program, '--flag', 'a b'];
}

interface Edited {
  readonly result: { file: string; changed: boolean } | undefined;
  readonly error: MetactlError | undefined;
  readonly told: string[];
  readonly asked: string[];
}

async function edit(
  root: string,
  script: string,
  more: Partial<EditRequest> & { answers?: string[] } = {},
): Promise<Edited> {
  const told: string[] = [];
  const asked: string[] = [];
  const { answers, ...rest } = more;
  const request: EditRequest = {
    paths: pathsFor(root),
    app: 'myapp',
    layer: 'node',
    editor: editor(root, script),
    tell: (line) => told.push(shorten(line, root)),
    ask:
      answers === undefined
        ? undefined
        : async (question) => {
            asked.push(question);
            return answers.shift() ?? 'd';
          },
    ...rest,
  };
  try {
    return { result: await editApp(request), error: undefined, told, asked };
  } catch (error) {
    expect(error).toBeInstanceOf(MetactlError);
    return { result: undefined, error: error as MetactlError, told, asked };
  }
}

const write = (text: string) => `fs.writeFileSync(file, ${JSON.stringify(text)});`;
const nodeFile = (root: string) => join(root, 'etc/metactl/nodes/myapp.conf');
const drafts = (root: string) =>
  lstatSync(join(root, 'run/metactl'), { throwIfNoEntry: false }) === undefined
    ? []
    : readdirSync(join(root, 'run/metactl'));

describe('metactl edit', () => {
  it('installs what the editor wrote, with the mode it had, and leaves nothing behind', async () => {
    const root = appRoot({ node: '[env]\nA = 1\n' });
    chmodSync(nodeFile(root), 0o640);
    const { result } = await edit(root, write('[env]\nA = 2\n'));
    expect(result).toEqual({ file: nodeFile(root), changed: true });
    expect(readFileSync(nodeFile(root), 'utf8')).toBe('[env]\nA = 2\n');
    expect((statSync(nodeFile(root)).mode & 0o7777).toString(8)).toBe('640');
    expect(readdirSync(join(root, 'etc/metactl/nodes'))).toEqual(['myapp.conf']);
    expect(lstatSync(join(root, 'run/metactl'), { throwIfNoEntry: false })).toBeUndefined();
  });

  it('replaces the file instead of writing into it', async () => {
    const root = appRoot({ node: '[env]\nA = 1\n' });
    const before = statSync(nodeFile(root)).ino;
    await edit(root, write('[env]\nA = 2\n'));
    expect(statSync(nodeFile(root)).ino).not.toBe(before);
  });

  it('gives the editor its arguments as they are and a private copy, not the file', async () => {
    const root = appRoot({ node: '[env]\nA = 1\n' });
    const { result } = await edit(
      root,
      `fs.writeFileSync(${JSON.stringify(join(root, 'seen'))}, JSON.stringify({ argv: process.argv.slice(2), file: (fs.statSync(file).mode & 0o7777).toString(8), directory: (fs.statSync(file.slice(0, file.lastIndexOf('/'))).mode & 0o7777).toString(8), text: fs.readFileSync(file, 'utf8') }));`,
    );
    expect(result).toEqual({ file: nodeFile(root), changed: false });
    const seen = JSON.parse(readFileSync(join(root, 'seen'), 'utf8'));
    expect(seen).toMatchObject({ file: '600', directory: '700', text: '[env]\nA = 1\n' });
    expect(seen.argv.slice(0, 2)).toEqual(['--flag', 'a b']);
    expect(seen.argv[2]).toMatch(/\/run\/metactl\/edit-[^/]+\/myapp\.conf$/);
  });

  it('asks again instead of installing a broken text', async () => {
    const root = appRoot({ node: '[env]\nA = 1\n' });
    const script = `if (n === 1) { ${write('[env\nA = 2\n')} } else { ${write('[env]\nA = 3\n')} }`;
    const { result, told, asked } = await edit(root, script, { answers: ['e'] });
    expect(told).toEqual([
      '/etc/metactl/nodes/myapp.conf:1:1: found `[env`, expected a ] that closes the section header',
    ]);
    expect(asked).toEqual(['Not installed. (e)dit again or (d)iscard your changes?']);
    expect(result).toEqual({ file: nodeFile(root), changed: true });
    expect(readFileSync(nodeFile(root), 'utf8')).toBe('[env]\nA = 3\n');
  });

  it('installs nothing where the changes are thrown away', async () => {
    const root = appRoot({ node: '[env]\nA = 1\n' });
    const { error } = await edit(root, write('[env\n'), { answers: ['d'] });
    expect(error).toMatchObject({
      code: 'METACTL_CONFIGURATION',
      message: `your changes of ${nodeFile(root)} were discarded; nothing was installed`,
      exitStatus: 78,
    });
    expect(readFileSync(nodeFile(root), 'utf8')).toBe('[env]\nA = 1\n');
    expect(drafts(root)).toEqual([]);
  });

  it('keeps a broken text where the question is left', async () => {
    const root = appRoot({ node: '[env]\nA = 1\n' });
    const { error, told } = await edit(root, write('[env\nA = precious\n'), { ask: async () => undefined });
    expect(error).toMatchObject({ code: 'METACTL_CONFIGURATION', exitStatus: 78 });
    expect(readFileSync(nodeFile(root), 'utf8')).toBe('[env]\nA = 1\n');
    const kept = /^your text is kept in (.*)$/.exec(told.at(-1)!)![1]!;
    expect(readFileSync(join(root, kept), 'utf8')).toBe('[env\nA = precious\n');
  });

  it('keeps a broken text where nobody can be asked', async () => {
    const root = appRoot({ node: '[env]\nA = 1\n' });
    const { error, told } = await edit(root, write('[env\nA = precious\n'));
    expect(error).toMatchObject({
      code: 'METACTL_CONFIGURATION',
      exitStatus: 78,
      message: `the new text of ${nodeFile(root)} has problems and was not installed`,
    });
    expect(readFileSync(nodeFile(root), 'utf8')).toBe('[env]\nA = 1\n');
    const kept = /^your text is kept in (.*)$/.exec(told.at(-1)!)![1]!;
    expect(readFileSync(join(root, kept), 'utf8')).toBe('[env\nA = precious\n');
  });

  it('shows what the new text does to other layers', async () => {
    const root = appRoot({ application: '[daemon.web]\nmemory-max = 1g\n', node: '[env]\n' });
    const { error, told } = await edit(root, write('[daemon.web]\nmemory-max = 512m\n'), { answers: ['d'] });
    expect(error?.exitStatus).toBe(78);
    expect(told[0]).toMatch(/^\.metactl:2:14: found `memory-max` = `1g` from \.metactl, expected at most 512m/);
  });

  it('is not held up by what was wrong elsewhere before', async () => {
    const root = appRoot({ application: '[daemon.web]\nnice = x\n', node: '[env]\n' });
    expect((await edit(root, write('[env]\nA = 1\n'))).result?.changed).toBe(true);
  });

  it('says so where somebody else changed the file meanwhile, and keeps both texts', async () => {
    const root = appRoot({ node: '[env]\nA = 1\n' });
    const script = `${write('[env]\nA = mine\n')} fs.writeFileSync(${JSON.stringify(nodeFile(root))}, '[env]\\nA = theirs\\n');`;
    const { error, told } = await edit(root, script);
    expect(error).toMatchObject({
      code: 'METACTL_CHANGED_MEANWHILE',
      message: `${nodeFile(root)} was changed by somebody else meanwhile; nothing was installed`,
      exitStatus: 1,
    });
    expect(readFileSync(nodeFile(root), 'utf8')).toBe('[env]\nA = theirs\n');
    expect(told.at(-1)).toMatch(/^your text is kept in \/run\/metactl\/edit-/);
  });

  it.each([
    ['process.exit(3);', /^the editor `.*node` ended with status 3$/],
    ["process.kill(process.pid, 'SIGKILL'); setTimeout(() => {}, 10000);", /^the editor `.*node` ended by SIGKILL$/],
  ])('changes nothing where the editor fails: %s', async (script, message) => {
    const root = appRoot({ node: '[env]\nA = 1\n' });
    const { error } = await edit(root, script);
    expect(error).toMatchObject({ code: 'METACTL_EDITOR', message: expect.stringMatching(message), exitStatus: 1 });
    expect(readFileSync(nodeFile(root), 'utf8')).toBe('[env]\nA = 1\n');
    expect(drafts(root)).toEqual([]);
  });

  it('keeps what was written before the editor failed', async () => {
    const root = appRoot({ node: '[env]\nA = 1\n' });
    const { error, told } = await edit(root, `${write('[env]\nA = 2\n')} process.exit(1);`);
    expect(error?.code).toBe('METACTL_EDITOR');
    expect(told).toEqual([expect.stringMatching(/^your text is kept in /)]);
    expect(readFileSync(nodeFile(root), 'utf8')).toBe('[env]\nA = 1\n');
  });

  it('says which editor is not there', async () => {
    const root = appRoot({ node: '[env]\n' });
    const { error } = await edit(root, '', { editor: ['/nowhere/editor'] });
    expect(error).toMatchObject({
      message: "can't run the editor `/nowhere/editor`: ENOENT",
      hint: 'set $VISUAL or $EDITOR; nothing was changed',
    });
  });

  it('is told when the editor removed the text', async () => {
    const root = appRoot({ node: '[env]\n' });
    const { told, error } = await edit(root, 'fs.rmSync(file);', { answers: ['d'] });
    expect(told).toEqual(['/etc/metactl/nodes/myapp.conf: found nothing: the editor removed the text']);
    expect(error?.exitStatus).toBe(78);
  });

  it('promises no text that is not there', async () => {
    const root = appRoot({ node: '[env]\n' });
    for (const script of ['fs.rmSync(file);', 'fs.rmSync(file); process.exit(1);']) {
      for (const ask of [undefined, async () => undefined]) {
        const { told, error } = await edit(root, script, { ask });
        expect(told.filter((line) => line.includes('kept'))).toEqual([]);
        expect(error).toBeDefined();
        expect(drafts(root)).toEqual([]);
      }
    }
  });

  it('takes the text of an editor that writes a new file with a wide mode', async () => {
    const root = appRoot({ node: '[env]\nA = 1\n' });
    const { result } = await edit(root, `fs.rmSync(file); ${write('[env]\nA = 2\n')} fs.chmodSync(file, 0o666);`);
    expect(result?.changed).toBe(true);
    expect((statSync(nodeFile(root)).mode & 0o7777).toString(8)).toBe('600');
  });

  it('starts a file that is not there from the template, mode 0600', async () => {
    const root = appRoot({});
    expect((await edit(root, '')).result).toEqual({ file: nodeFile(root), changed: false });
    expect(lstatSync(nodeFile(root), { throwIfNoEntry: false })).toBeUndefined();
    const { result } = await edit(root, "fs.appendFileSync(file, '[env]\\nA = 1\\n');");
    expect(result?.changed).toBe(true);
    expect(readFileSync(nodeFile(root), 'utf8')).toMatch(/^# myapp on this node\.[\s\S]*\[env\]\nA = 1\n$/);
    expect((statSync(nodeFile(root)).mode & 0o7777).toString(8)).toBe('600');
  });

  it('--site edits the site file, by its own rules', async () => {
    const root = appRoot({ node: '' });
    const { result } = await edit(root, write('[env]\nA = 1\n'), { layer: 'site' });
    expect(result).toEqual({ file: join(root, 'etc/metactl/site/myapp.conf'), changed: true });
    const { told } = await edit(root, write('[trust]\napplication = full\n'), { layer: 'site', answers: ['d'] });
    expect(told[0]).toContain('found `[trust] application` in the site file, expected it in the node file');
  });

  it('does not wake apps that are not there', async () => {
    const { error } = await edit(scratchRoot(), '');
    expect(error).toMatchObject({ code: 'METACTL_NO_SUCH_APP', exitStatus: 4 });
  });

  it('leaves a run directory that others use', async () => {
    const root = appRoot({ node: '[env]\n' });
    mkdirSync(join(root, 'run/metactl/myapp'), { recursive: true });
    await edit(root, '');
    expect(drafts(root)).toEqual(['myapp']);
  });
});

describe('editorWords', () => {
  it.each([
    [{}, ['vi']],
    [{ VISUAL: '', EDITOR: ' ' }, ['vi']],
    [{ EDITOR: 'nano' }, ['nano']],
    [{ VISUAL: 'code --wait', EDITOR: 'nano' }, ['code', '--wait']],
    [{ VISUAL: '"/opt/my editor/bin/ed" -x' }, ['/opt/my editor/bin/ed', '-x']],
    [{ VISUAL: 'ed; rm -rf $HOME' }, ['ed;', 'rm', '-rf', '$HOME']],
  ])('%j', (env, words) => expect(editorWords(env)).toEqual(words));

  it('refuses open quotes', () =>
    expect(() => editorWords({ VISUAL: 'a "b' })).toThrow(
      expect.objectContaining({ code: 'METACTL_EDITOR', message: 'the editor "a \\"b" has a " that is not closed' }),
    ));
});
