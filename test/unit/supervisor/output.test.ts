import { PassThrough, Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { copyOutput, type OutputOptions } from '../../../src/supervisor/output.ts';

async function copied(chunks: readonly (string | Buffer)[], options: Partial<OutputOptions> = {}): Promise<string> {
  const to = new PassThrough({ highWaterMark: 16 });
  const read: Buffer[] = [];
  to.on('data', (chunk: Buffer) => read.push(chunk));
  const from = Readable.from(chunks.map((chunk) => Buffer.from(chunk)));
  await copyOutput(from, to, { prefix: undefined, escape: false, ...options });
  to.end();
  await new Promise((resolve) => to.once('end', resolve));
  return Buffer.concat(read).toString();
}

describe('output of a daemon', () => {
  it('goes through byte for byte', async () => {
    expect(await copied(['one\ntw', 'o\x1b[31m'])).toBe('one\ntwo\x1b[31m');
  });

  it('gets the prefix on each line, also across chunks', async () => {
    expect(await copied(['one\ntw', 'o\n', 'end'], { prefix: 'web | ' })).toBe('web | one\nweb | two\nweb | end\n');
  });

  it('can’t steer a terminal', async () => {
    const text = await copied(['\x1b]0;owned\x07 \u202e\n'], { escape: true });
    expect(text).not.toMatch(/[\x1b\x07\u202e]/);
    expect(text.endsWith('\n')).toBe(true);
  });

  it('does not keep an endless line in memory', async () => {
    const text = await copied(['x'.repeat(70_000), 'y'.repeat(10)], { prefix: '> ' });
    expect(text.split('\n').length).toBeGreaterThan(2);
    expect(text.replaceAll(/[>\s]/g, '')).toBe('x'.repeat(70_000) + 'y'.repeat(10));
  });

  it('survives a reader that went away', async () => {
    const to = new PassThrough();
    to.destroy();
    await copyOutput(Readable.from([Buffer.from('lost\n')]), to, { prefix: undefined, escape: false });
    expect(to.destroyed).toBe(true);
  });
});
