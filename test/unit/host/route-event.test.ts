import { expect, it } from 'vitest';
import { readRouteEvents } from '../../../src/host/linux/route-event.ts';

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
  expect(readRouteEvents(messages).removed).toEqual([
    { address: '198.18.0.7', port: 812 },
    { address: '2001:db8::7', port: 0 },
  ]);
});

it('what is torn is left out', () => {
  const whole = route(25, 1, 2, 32, four);
  for (let length = 0; length < whole.length; length++)
    expect(readRouteEvents(whole.subarray(0, length)).removed).toEqual([]);
  const short = Buffer.from(whole);
  short.writeUInt16LE(2, 28);
  expect(readRouteEvents(short).removed).toEqual([]);
});

/** nlmsghdr, ifinfomsg, IFLA_MTU, IFLA_IFNAME. */
function link(type: number, name: string): Buffer {
  const text = Buffer.from(`${name}\0`.padEnd(16, '\0'));
  const attribute = (kind: number, value: Buffer) => {
    const head = Buffer.alloc(4);
    head.writeUInt16LE(4 + value.length, 0);
    head.writeUInt16LE(kind, 2);
    return Buffer.concat([head, value]);
  };
  const header = Buffer.alloc(32);
  header.writeUInt16LE(type, 4);
  const all = Buffer.concat([header, attribute(4, Buffer.alloc(4)), attribute(3, text)]);
  all.writeUInt32LE(all.length, 0);
  return all;
}

it('links that came, changed or went are told by name', () => {
  const messages = Buffer.concat([
    link(16, 'mt-web'),
    route(25, 1, 2, 32, four),
    link(17, 'eth0'),
    link(20, 'address'),
  ]);
  expect(readRouteEvents(messages)).toMatchObject({ links: ['mt-web', 'eth0'], defaultRoute: false });
  const whole = link(16, 'mt-web');
  for (let length = 0; length < whole.length; length++)
    expect(readRouteEvents(whole.subarray(0, length)).links).toEqual([]);
});

it.each([24, 25])('a default route that came or went is told (message %d)', (type) => {
  const events = readRouteEvents(route(type, 1, 2, 0, Buffer.alloc(0)));
  expect(events).toEqual({ removed: [], links: [], defaultRoute: true });
});
