import { isAbsolute, join } from 'node:path';
import type { AppConfig } from '../config/types.ts';
import { assignments, javaDefaults, javaKeys, javaLauncher } from './java.ts';
import { environmentKey, jettyKeys } from './jetty-keys.ts';
import { dialects, type JettyDialect, type JettyRequest } from './jetty-versions.ts';
import type { CommandLine, Need, Platform, PlatformContext } from './platform.ts';
import { withPreparedFiles } from './prepared-files.ts';
import { checkable, inAppDirectory, keyError, needOf, refuseCommand } from './settings.ts';
import { findWebContexts, isWar, listDirectory, type WebContext } from './webapps.ts';

/** jetty6 … jetty12: one platform per version, made from the generations of start.jar in jetty-versions.ts. */
export const jettys: readonly Platform[] = dialects.flatMap((dialect) =>
  dialect.versions.map((version): Platform => {
    const name = `jetty${version}`;
    return {
      name,
      doc: `A web application on Jetty ${version}. \`success-exit-status\` is \`129 130 143\` by default.`,
      keys: [
        ...jettyKeys.filter(({ key }) => !dialect.without.includes(key)),
        ...(version >= 12 ? [environmentKey] : []),
        ...javaKeys,
      ],
      defaults: (context) => ({
        ...javaDefaults,
        'jetty.home': `/usr/share/${name}`,
        'http.port': String(defaultPort(context)),
        ...dialect.defaults(version),
      }),
      command: (config, daemon, context) => jettyCommand({ config, daemon, context, dialect, version, name }),
    };
  }),
);

function defaultPort(context: PlatformContext): number {
  return context.ownNetwork ? 80 : 8080;
}

interface JettyInput {
  readonly config: AppConfig;
  readonly daemon: string;
  readonly context: PlatformContext;
  readonly dialect: JettyDialect;
  readonly version: number;
  readonly name: string;
}

/** @throws MetactlError (78) for a port or context path that is none, or several web applications for one context path. */
function jettyCommand(input: JettyInput): CommandLine {
  const { config, daemon, context, dialect, version, name } = input;
  refuseCommand(config, daemon, name);
  const launcher = javaLauncher(config, daemon, context);
  const webapps = webContexts(input);
  const request = jettyRequest(input, webapps.contexts);
  const { argv, files } = dialect.command(request, version);
  const java = [...launcher.argv, ...argv];
  return {
    argv: files.length === 0 ? java : withPreparedFiles(request.made, files, java),
    env: launcher.env,
    needs: checkable(config, [...launcher.needs, ...jettyNeeds(config, daemon, request), ...webapps.needs]),
  };
}

function jettyRequest(input: JettyInput, contexts: readonly WebContext[]): JettyRequest {
  const { config, daemon, context, version, name } = input;
  const section = `daemon.${daemon}`;
  const home = config.text(section, 'jetty.home') ?? `/usr/share/${name}`;
  const read = (key: string) => (input.dialect.without.includes(key) ? undefined : config.text(section, key));
  const [base, lib] = [read('jetty.base'), read('jetty.lib')];
  return {
    home,
    made: join(config.stateDirectory, 'jetty', daemon),
    base: base === undefined ? undefined : inAppDirectory(config, base),
    contexts,
    port: portOf(config, daemon, context),
    logs: config.logDirectory,
    options: config.words(section, 'jetty.options') ?? [],
    ini: read('jetty.ini'),
    lib: lib === undefined ? undefined : inAppDirectory(config, lib),
    xml: (config.words(section, 'jetty.xml') ?? []).map((path) => (isAbsolute(path) ? path : join(home, path))),
    properties: assignments(config, daemon, 'jetty.properties'),
    arguments: config.words(section, 'jetty.arguments') ?? [],
    environment: version >= 12 ? (config.text(section, 'jetty.environment') ?? 'ee10') : '',
  };
}

function portOf(config: AppConfig, daemon: string, context: PlatformContext): number {
  const port = config.number(`daemon.${daemon}`, 'http.port') ?? defaultPort(context);
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return port;
  throw keyError(config, daemon, 'http.port', `found \`${port}\`, expected a port from 1 to 65535`, 'for example 8080');
}

/** The web applications to serve, and what must be there for it. With a `jetty.base` of its own there may be none. */
function webContexts(input: JettyInput): { readonly contexts: readonly WebContext[]; readonly needs: readonly Need[] } {
  const { config, daemon, context } = input;
  const section = `daemon.${daemon}`;
  const webapp = config.text(section, 'jetty.webapp');
  const contextPath = contextPathOf(config, daemon);
  if (webapp !== undefined) {
    const path = inAppDirectory(config, webapp);
    const need = { path, what: 'web application', kind: isWar(path) ? 'file' : 'directory' } as const;
    return {
      contexts: [{ contextPath: contextPath ?? '/', path }],
      needs: [needOf(config, daemon, 'jetty.webapp', need)],
    };
  }
  if (!input.dialect.without.includes('jetty.base') && config.text(section, 'jetty.base') !== undefined) {
    return { contexts: [], needs: [] };
  }
  const found = findWebContexts(config.directory, context.list ?? listDirectory);
  if (found.length === 0) {
    const hint = `set jetty.webapp; ${config.directory} has no WEB-INF, no *.war and no webapps directory with one`;
    const path = join(config.directory, 'ROOT.war');
    return {
      contexts: [{ contextPath: contextPath ?? '/', path }],
      needs: [{ path, what: 'web application', kind: 'file', hint }],
    };
  }
  const [first, ...more] = found;
  if (contextPath === undefined) return { contexts: found, needs: [] };
  if (more.length === 0) return { contexts: [{ contextPath, path: first!.path }], needs: [] };
  const problem = `there are ${found.length} web applications in ${config.directory}`;
  throw keyError(config, daemon, 'jetty.context-path', problem, 'choose one with jetty.webapp');
}

function contextPathOf(config: AppConfig, daemon: string): string | undefined {
  const path = config.text(`daemon.${daemon}`, 'jetty.context-path');
  if (path === undefined || /^\/([^/\s]+(\/[^/\s]+)*)?$/.test(path)) return path;
  const problem = `found \`${path}\`, expected a path such as / or /shop`;
  throw keyError(config, daemon, 'jetty.context-path', problem, 'start it with / and leave out the / at its end');
}

function jettyNeeds(config: AppConfig, daemon: string, request: JettyRequest): readonly Need[] {
  const { home, base, ini, lib } = request;
  const version = config.text(`daemon.${daemon}`, 'platform') ?? 'jetty';
  const hint = `install ${version}, or set jetty.home to where it is`;
  const optional = (key: string, path: string | undefined, what: string, kind: Need['kind']) =>
    path === undefined || path === '/dev/null' ? [] : [needOf(config, daemon, key, { path, what, kind })];
  return [
    needOf(config, daemon, 'jetty.home', { path: home, what: 'Jetty home', kind: 'directory', hint }),
    needOf(config, daemon, 'jetty.home', { path: join(home, 'start.jar'), what: 'Jetty starter', kind: 'file', hint }),
    ...optional('jetty.base', base, 'Jetty base', 'directory'),
    ...optional('jetty.ini', ini, 'ini file', 'file'),
    ...optional('jetty.lib', lib, 'directory of jars', 'directory'),
  ];
}
