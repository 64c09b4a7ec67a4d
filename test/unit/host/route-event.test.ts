import { expect, it } from 'vitest';
import { removedRoutes } from '../../../src/host/linux/route-event.ts';

/** nlmsghdr, rtmsg, RTA_DST. */
function route(type: number, port: number, family: number, bits: number, destination: Buffer): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt16LE(type, 4);
  header.writeUInt32LE(port, 12);
  const message = Buffer.alloc(12);
  message.writeUInt8(family, 0);
  message.writeUInt8(bits, 1);
  const attribute = Buffer.alloc(4);
  attribute.writeUInt16LE(4 + destination.length, 0);
  attribute.writeUInt16LE(1, 2);
  const all = Buffer.concat([header, message, attribute, destination]);
  all.writeUInt32LE(all.length, 0);
  return all;
}

const four = Buffer.from([198, 18, 0, 7]);
const six = Buffer.from('20010db8000000000000000000000007', 'hex');

it('removed host routes are told with whoever asked for it', () => {
  const messages = Buffer.concat([
    route(25, 812, 2, 32, four),
    route(24, 812, 2, 32, four),
    route(25, 0, 10, 128, six),
    route(25, 9, 2, 24, four),
  ]);
  expect(removedRoutes(messages)).toEqual([
    { address: '198.18.0.7', port: 812 },
    { address: '2001:db8::7', port: 0 },
  ]);
});

it('what is torn is left out', () => {
  const whole = route(25, 1, 2, 32, four);
  for (let length = 0; length < whole.length; length++) expect(removedRoutes(whole.subarray(0, length))).toEqual([]);
  const short = Buffer.from(whole);
  short.writeUInt16LE(2, 28);
  expect(removedRoutes(short)).toEqual([]);
});
