import { expect, it } from 'vitest';
import { rememberedFacts } from '../../../src/host/remembered-facts.ts';
import { fakeFacts } from '../../helpers/fake-facts.ts';

it('asks the machine each question once, also where there was nothing', () => {
  const asked: string[] = [];
  const state = (path: string) => {
    asked.push(path);
    return path === '/etc' ? ('directory' as const) : ('absent' as const);
  };
  const user = (name: string) => {
    asked.push(name);
    return undefined;
  };
  const facts = rememberedFacts({ ...fakeFacts(), state, user });
  for (let i = 0; i < 3; i++) {
    expect([facts.state('/etc'), facts.state('/nowhere'), facts.user('nobody')]).toEqual([
      'directory',
      'absent',
      undefined,
    ]);
  }
  expect(asked).toEqual(['/etc', '/nowhere', 'nobody']);
});
