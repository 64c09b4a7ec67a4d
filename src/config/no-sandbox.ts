/** Where `[sandbox] enabled = no` comes from where the command line says `--no-sandbox`. */
export const NO_SANDBOX_FILE = '--no-sandbox';
