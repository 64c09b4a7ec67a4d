import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { compileMatcher, type LineMatcher, watchLines } from '../../../../src/supervisor/ready/log-match.ts';

const counted = (matches: (line: string) => boolean): LineMatcher => Object.assign(matches, { size: 1 });
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

  it('refuses a pattern that costs too much', async () => {
    expect(await compileMatcher('(a?){900}[^a]')).toEqual({
      problem: expect.stringMatching(/^it compiles to \d+ instructions, of at most 250$/),
      costly: true,
    });
    expect(await compileMatcher('a'.repeat(1001))).toEqual({
      problem: 'it has more than 1000 characters',
      costly: true,
    });
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
    matches: (line: string) => boolean,
  ): Promise<{ found: number; read: string }> {
    const stream = new PassThrough();
    let found = 0;
    let read = '';
    const reader = (async () => {
      for await (const chunk of stream) read += chunk;
    })();
    watchLines(stream, counted(matches), () => found++);
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

describe('what watching costs', () => {
  /** Counts the steps of each turn. */
  function counting(size: number, wanted: string) {
    const turns = new Map<number, number>();
    let turn = 0;
    const next = () => {
      turn++;
      timer = setImmediate(next);
    };
    let timer = setImmediate(next);
    const matches = Object.assign(
      (line: string) => {
        turns.set(turn, (turns.get(turn) ?? 0) + (line.length + 1) * size);
        return line === wanted;
      },
      { size },
    );
    return { matches, most: () => Math.max(...turns.values()), end: () => clearImmediate(timer) };
  }

  it.each([1, 12, 100, 250])('is little in each turn, whatever comes: %d instructions', async (size) => {
    const stream = new PassThrough();
    const count = counting(size, 'started');
    const found = new Promise<void>((resolve) => watchLines(stream, count.matches, resolve));
    stream.write(`${'a'.repeat(16_000)}\n`.repeat(20));
    stream.write(`${'\n'.repeat(5000)}started\n`);
    await found;
    count.end();
    expect(count.most()).toBeLessThan(2 * 200_000 + 2 * 250);
  });

  it('leaves no line out, and looks at none twice, however many turns it takes', async () => {
    const stream = new PassThrough();
    const seen: string[] = [];
    const lines = Array.from({ length: 3000 }, (_, i) => `line ${i}`);
    await new Promise<void>((found) => {
      const matches = (line: string) => seen.push(line) === lines.length;
      watchLines(stream, Object.assign(matches, { size: 250 }), found);
      const timers = () => process.getActiveResourcesInfo().filter((one) => one === 'Timeout').length;
      const before = timers();
      stream.write(`${lines.slice(0, 2000).join('\n')}\n`);
      // A process that has nothing else to do may end.
      expect(timers()).toBe(before);
      // More comes while the others wait.
      setTimeout(() => stream.write(`${lines.slice(2000).join('\r\n')}\n`), 30);
    });
    expect(seen).toEqual(lines);
    expect(stream.listenerCount('data')).toBe(0);
  });

  it('leaves no line out, however much came before', () => {
    const stream = new PassThrough();
    let seen = 0;
    const matches = () => ++seen < 0;
    const watch = watchLines(stream, Object.assign(matches, { size: 1 }), () => {});
    for (let i = 0; i < 30; i++) stream.emit('data', Buffer.from(`${'a'.repeat(999)}\n`.repeat(100)));
    expect(seen).toBe(3000);
    watch.stop();
  });

  it('leaves the oldest lines out where too many wait, and hands over the rest', () => {
    const stream = new PassThrough();
    const watch = watchLines(
      stream,
      Object.assign(() => false, { size: 250 }),
      () => {},
    );
    stream.emit('data', Buffer.from(`${'a'.repeat(800)}\n`.repeat(5000)));
    stream.emit('data', Buffer.from('the last\nbegun'));
    expect(watch.rest.length).toBeLessThanOrEqual(1024 * 1024 + 5);
    expect(watch.rest.endsWith('\nthe last\nbegun')).toBe(true);
    watch.stop();
    const next = new PassThrough();
    let found = 0;
    const again = watchLines(
      next,
      Object.assign((line: string) => line === 'b', { size: 1 }),
      () => found++,
      'a\nb\nc',
    );
    next.emit('data', Buffer.from('d'));
    expect([found, again.rest]).toEqual([1, 'cd']);
  });
});
