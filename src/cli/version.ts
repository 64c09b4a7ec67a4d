import { readFileSync } from 'node:fs';

/** The package's version, put in by the bundler; read from package.json when run from source. */
declare const METACTL_VERSION: string | undefined;

export const VERSION: string =
  typeof METACTL_VERSION === 'string'
    ? METACTL_VERSION
    : (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version;
