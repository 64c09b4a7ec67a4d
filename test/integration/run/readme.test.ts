import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { REPOSITORY, runMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch } from '../../helpers/scratch.ts';

leakCheck();

const README = readFileSync(join(REPOSITORY, 'README.md'), 'utf8');

/** The first block of README in a language. */
const block = (language: string) => new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'm').exec(README)![1]!;

/** Commands of a console block, each with what it prints. */
function commands(text: string): { command: string; printed: string }[] {
  return text
    .split(/^# /m)
    .slice(1)
    .map((part) => ({
      command: part.slice(0, part.indexOf('\n')),
      printed: part.slice(part.indexOf('\n') + 1),
    }));
}

it('README’s first example does what it says', async () => {
  const scratch = makeScratch();
  try {
    // Elsewhere than there: this machine's own /srv and addresses are not the test's.
    const directory = scratch.appDirectory('hello', {});
    scratch.node('hello', block('ini').replace('/srv/hello', directory));
    let address = '';
    for (const { command, printed } of commands(block('console'))) {
      const [verb = '', ...words] = command.split(' ');
      if (verb === 'cp') {
        expect(command).toBe('cp -r examples/webapp /srv/hello');
        cpSync(join(REPOSITORY, 'examples/webapp'), directory, { recursive: true });
      } else if (verb === 'metactl') {
        const { stdout, stderr } = await runMetactl(words, { root: scratch.root });
        if (words[0] === 'ip') {
          address = stdout.trim();
          expect(address).toMatch(/^100\.64\.\d+\.\d+$/);
        } else expect({ stdout, stderr }).toEqual({ stdout: printed, stderr: '' });
      } else {
        expect(command).toBe('curl -s http://100.64.0.1/ | grep h1');
        const page = execFileSync('curl', ['-s', `http://${address}/`], { encoding: 'utf8' });
        expect(page.split('\n').filter((line) => line.includes('h1'))).toEqual([printed.trimEnd()]);
      }
    }
    expect(address).not.toBe('');
  } finally {
    await runMetactl(['stop', 'all'], { root: scratch.root });
    scratch.remove();
  }
});
