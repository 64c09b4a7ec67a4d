/** True for 127.0.0.0/8, ::1 and IPv4-mapped loopback: an address that means another host inside a network namespace. Pure. */
export function isLoopbackAddress(address: string): boolean {
  const bare = address.replace(/%.*$/, '').toLowerCase();
  return /^127\./.test(bare) || bare === '::1' || bare === '0:0:0:0:0:0:0:1' || /^::ffff:127\./.test(bare);
}
