import { getSystemErrorName } from 'node:util';

/** '' for 0, else the errno's name; Linux has numbers that libuv knows no name for. */
export function errorName(errno: number): string {
  if (errno === 0) return '';
  const name = getSystemErrorName(-errno);
  return name.startsWith('Unknown') ? `error ${errno}` : name;
}
