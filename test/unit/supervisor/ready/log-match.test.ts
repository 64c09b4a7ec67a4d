import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { compileMatcher, type LineMatcher, watchLines } from '../../../../src/supervisor/ready/log-match.ts';

const matcher = async (pattern: string) => (await compileMatcher(pattern)) as LineMatcher;

describe('compileMatcher', () => {
  it('finds anywhere in the line unless anchored', async () => {
    expect((await matcher('Started'))('x Started y')).toBe(true);
    expect((await matcher('^Started$'))('x Started y')).toBe(false);
    expect((await matcher('(?i)started|ready'))('READY')).toBe(true);
  });

  it('tells what is wrong with a pattern', async () => {
    expect(await compileMatcher('a(b')).toEqual({ problem: 'missing closing ): `a(b`' });
    expect(await compileMatcher('(a)\\1')).toEqual({ problem: expect.stringContaining('invalid escape sequence') });
  });

  it('takes no longer than the line is long', async () => {
    const matches = await matcher('^(([a-z])+.)+[A-Z]([a-z])+$');
    const from = performance.now();
    expect(matches('a'.repeat(16_384))).toBe(false);
    expect(performance.now() - from).toBeLessThan(2000);
  });
});

describe('watchLines', () => {
  /** Feeds the chunks. @returns how often it was found, and the text that another reader got. */
  async function feed(
    chunks: readonly (string | Buffer)[],
    matches: LineMatcher,
  ): Promise<{ found: number; read: string }> {
    const stream = new PassThrough();
    let found = 0;
    let read = '';
    const reader = (async () => {
      for await (const chunk of stream) read += chunk;
    })();
    watchLines(stream, matches, () => found++);
    for (const chunk of chunks) {
      stream.write(chunk);
      await new Promise((resolve) => setImmediate(resolve));
    }
    stream.end();
    await reader;
    return { found, read };
  }

  it('finds a line whose pieces meet in the midst of a character', async () => {
    const bytes = Buffer.from('gr\u00fcn\n');
    const { found } = await feed([bytes.subarray(0, 3), bytes.subarray(3)], (line) => line === 'gr\u00fcn');
    expect(found).toBe(1);
  });

  it('finds a line in pieces, once, and takes nothing from the reader', async () => {
    const chunks = ['one\nSta', 'rted\r', '\nStarted\n', 'rest'];
    expect(await feed(chunks, (line) => line === 'Started')).toEqual({ found: 1, read: chunks.join('') });
  });

  it('looks at the beginning of a line without end, once', async () => {
    let looked = 0;
    const chunks = Array.from({ length: 8 }, () => 'x'.repeat(10_000));
    const { found } = await feed([...chunks, 'end\nnext\n'], (line) => {
      looked++;
      return line === 'next';
    });
    expect({ found, looked }).toEqual({ found: 1, looked: 2 });
  });
});
