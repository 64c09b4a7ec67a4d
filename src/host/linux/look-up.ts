import { getSystemErrorName } from 'node:util';
import { addon } from './addon.ts';

/** netdb.h of glibc. Names without addresses are as good as none. */
const NAMES: Readonly<Record<number, string>> = {
  [-2]: 'ENOTFOUND',
  [-3]: 'EAI_AGAIN',
  [-4]: 'EAI_FAIL',
  [-5]: 'ENOTFOUND',
  [-6]: 'EAI_FAMILY',
  [-9]: 'EAI_ADDRFAMILY',
  [-10]: 'EAI_MEMORY',
};
const EAI_SYSTEM = -11;

/** See Host.lookUp. */
export function lookUp(name: string): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    addon().lookUp(name, (error, errno, addresses) => {
      if (error === 0) return resolve(addresses);
      const code = error === EAI_SYSTEM && errno > 0 ? getSystemErrorName(-errno) : (NAMES[error] ?? 'EAI_FAIL');
      reject(Object.assign(new Error(`${name} does not resolve (${code})`), { code }));
    });
  });
}
