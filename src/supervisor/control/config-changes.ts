import { join } from 'node:path';
import { administratorsFiles } from '../../config/layers.ts';
import { inspectApp } from '../../config/load.ts';
import type { LoadedConfig } from '../../config/types.ts';
import { platforms } from '../../platform/index.ts';
import type { Paths } from '../../util/paths.ts';
import { changedKeys, type Fingerprint, fingerprintOf, signatureOf } from './fingerprint.ts';

export interface ChangesOptions {
  readonly sandbox: boolean;
  readonly address: string | undefined;
  readonly address6: string | undefined;
}

/** Tells what of an app's configuration is another by now. Reads files only when one of them is not as it was. */
export class ConfigChanges {
  readonly #paths: Paths;
  readonly #app: string;
  readonly #options: ChangesOptions;
  readonly #files: readonly string[];
  /** Of the files as they were. */
  readonly signature: string;
  #signature: string;
  /** As it is now; undefined: as it was. */
  #config: LoadedConfig | undefined;
  #broken = false;
  #daemons: readonly string[];
  /** Looked at in this turn of the event loop: one request asks for each daemon of the app. */
  #isFresh = false;

  /** @param signature of the files as they were; as they are now, unless told. */
  constructor(
    paths: Paths,
    config: Pick<LoadedConfig, 'app' | 'directory' | 'daemons'>,
    options: ChangesOptions,
    signature?: string,
  ) {
    this.#paths = paths;
    this.#app = config.app;
    this.#daemons = config.daemons;
    this.#options = options;
    const { defaults, site, node } = administratorsFiles(paths, config.app);
    this.#files = [paths.metactlConf, defaults, site, node, config.directory, join(config.directory, '.metactl')];
    this.signature = signature ?? signatureOf(this.#files);
    this.#signature = this.signature;
  }

  /** Keys that are not as in `before`; none where the configuration can't be read now: `why` and `check` tell that. */
  of(daemon: string, before: Fingerprint): readonly string[] {
    if (!this.#isFresh) this.#look();
    if (this.#broken || this.#config?.daemons.includes(daemon) !== true) return [];
    return changedKeys(before, fingerprintOf(this.#config, daemon));
  }

  /** The app's daemons as they are configured now; where that can't be read, as they were last. */
  get daemons(): readonly string[] {
    if (!this.#isFresh) this.#look();
    return this.#daemons;
  }

  #look(): void {
    this.#isFresh = true;
    setImmediate(() => {
      this.#isFresh = false;
    });
    const signature = signatureOf(this.#files);
    if (signature === this.#signature) return;
    this.#signature = signature;
    this.#read();
  }

  #read(): void {
    const { sandbox, address, address6 } = this.#options;
    try {
      const { config, problems } = inspectApp(this.#paths, this.#app, platforms, sandbox ? {} : { sandbox });
      this.#broken = problems.length > 0;
      if (!this.#broken) this.#daemons = config.daemons;
      this.#config = config.withAddress(address, address6);
    } catch (error) {
      this.#broken = true;
      if ((error as { code?: string }).code === 'METACTL_NO_SUCH_APP') this.#daemons = [];
    }
  }
}
