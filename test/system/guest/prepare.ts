import { debianRoot } from './debian.ts';
import { javaRuntime } from './java.ts';

/** Makes ahead what takes the system tests' first guests longest (`scripts/prepare-system.sh`). */
await debianRoot();
await javaRuntime();
