import { join } from 'node:path';
import { contextFile, serverFile } from './jetty-xml.ts';
import type { PreparedFile } from './prepared-files.ts';
import type { WebContext } from './webapps.ts';

/** What a daemon asks of Jetty, whatever the version. All paths are absolute. */
export interface JettyRequest {
  readonly home: string;
  /** The daemon's own directory below the state directory, emptied at each start. */
  readonly made: string;
  /** `jetty.base`, or undefined where the base is `made`. */
  readonly base: string | undefined;
  readonly contexts: readonly WebContext[];
  readonly port: number;
  readonly logs: string;
  readonly options: readonly string[];
  readonly ini: string | undefined;
  readonly lib: string | undefined;
  readonly xml: readonly string[];
  readonly properties: readonly string[];
  readonly arguments: readonly string[];
  /** `jetty.environment`; jetty12 only. */
  readonly environment: string;
}

/** What makes of it: java's arguments from the system properties on, and the files that must be there first. */
export interface JettyCommand {
  readonly argv: readonly string[];
  readonly files: readonly PreparedFile[];
}

/** One generation of start.jar. */
export interface JettyDialect {
  readonly versions: readonly number[];
  /** Built-in values of keys, by version; as written in a file. */
  defaults(version: number): Readonly<Record<string, string>>;
  /** Keys of jetty-keys.ts that this generation has no use for. */
  readonly without: readonly string[];
  command(request: JettyRequest, version: number): JettyCommand;
}

/**
 * Jetty 6: start.jar takes every argument for a configuration file, so all else are system properties
 * (org.mortbay.start.Main). `jetty.logs` moves the request log out of the read-only installation.
 */
const six: JettyDialect = {
  versions: [6],
  defaults: () => ({ 'jetty.xml': 'etc/jetty.xml' }),
  without: ['jetty.ini', 'jetty.options', 'jetty.base'],
  command: (request) => {
    const webapps = join(request.made, 'webapps.xml');
    return {
      argv: [
        `-Djetty.home=${request.home}`,
        `-Djetty.port=${request.port}`,
        `-Djetty.logs=${request.logs}`,
        ...(request.lib === undefined ? [] : [`-Djetty.lib=${request.lib}`]),
        ...request.properties.map((property) => `-D${property}`),
        '-jar',
        join(request.home, 'start.jar'),
        ...request.xml,
        webapps,
        ...request.arguments,
      ],
      files: [
        { kind: 'file', path: webapps, content: serverFile('org.mortbay.jetty', request.contexts) },
        { kind: 'directory', path: request.logs },
      ],
    };
  },
};

/** Jetty 7 and 8: properties and OPTIONS are arguments; an empty --ini keeps start.ini of the installation out. */
const seven: JettyDialect = {
  versions: [7, 8],
  defaults: () => ({
    'jetty.xml': 'etc/jetty.xml',
    'jetty.options': 'Server jsp resources ext',
    'jetty.ini': '/dev/null',
  }),
  without: ['jetty.base'],
  command: (request) => {
    const webapps = join(request.made, 'webapps.xml');
    return {
      argv: [
        `-Djetty.home=${request.home}`,
        `-Djetty.port=${request.port}`,
        `-Djetty.logs=${request.logs}`,
        '-jar',
        join(request.home, 'start.jar'),
        ...(request.ini === undefined ? [] : [`--ini=${request.ini}`]),
        ...(request.lib === undefined ? [] : [`lib=${request.lib}`]),
        `OPTIONS=${request.options.join(',')}`,
        ...request.properties,
        ...request.xml,
        webapps,
        ...request.arguments,
      ],
      files: [
        { kind: 'file', path: webapps, content: serverFile('org.eclipse.jetty', request.contexts) },
        { kind: 'directory', path: request.logs },
      ],
    };
  },
};

/**
 * Jetty 9 and newer: a base directory apart from the installation, modules, and a `deploy` module that reads context
 * files. All but those files is said on the command line. scanInterval=0: a release changes by a restart, and what the
 * app itself drops into the directory later is not deployed.
 */
const nine: JettyDialect = {
  versions: [9, 10, 11],
  defaults: () => ({ 'jetty.options': 'http deploy annotations jsp jstl websocket' }),
  without: [],
  command: (request) =>
    moduleCommand(request, {
      contextClass: 'org.eclipse.jetty.webapp.WebAppContext',
      deployModules: ['deploy'],
      monitored: ['jetty.deploy.monitoredPath'],
      properties: [],
    }),
};

/** Jetty 12: one deploy module and one WebAppContext per servlet generation, chosen by a properties file. */
const twelve: JettyDialect = {
  versions: [12],
  defaults: () => ({ 'jetty.environment': 'ee10' }),
  without: [],
  command: (request) => {
    const { environment } = request;
    const options =
      request.options.length > 0 ? request.options : ['http', `${environment}-deploy`, ...jspModules(environment)];
    return moduleCommand(
      { ...request, options },
      {
        contextClass: `org.eclipse.jetty.${environment}.webapp.WebAppContext`,
        deployModules: [`${environment}-deploy`],
        // The name changed within version 12: 12.0 reads the first, 12.1 the second; unknown properties do no harm.
        monitored: ['jetty.deploy.monitoredDir', 'jetty.deploy.webappsDir'],
        properties: [`environment=${environment}`],
      },
    );
  },
};

function jspModules(environment: string): readonly string[] {
  return ['annotations', 'jsp', 'jstl'].map((name) => `${environment}-${name}`);
}

interface ModuleTraits {
  readonly contextClass: string;
  readonly deployModules: readonly string[];
  /** Properties that name the directory of context files. */
  readonly monitored: readonly string[];
  /** Lines of the properties file beside each context file; none: no such file. */
  readonly properties: readonly string[];
}

function moduleCommand(request: JettyRequest, traits: ModuleTraits): JettyCommand {
  const webapps = join(request.made, 'webapps');
  const own = request.base === undefined;
  const modules = own ? request.options : request.contexts.length > 0 ? traits.deployModules : [];
  const deploys = own || request.contexts.length > 0;
  return {
    argv: [
      '-jar',
      join(request.home, 'start.jar'),
      `jetty.home=${request.home}`,
      `jetty.base=${request.base ?? request.made}`,
      ...(modules.length === 0 ? [] : [`--module=${modules.join(',')}`]),
      `jetty.http.port=${request.port}`,
      // In a base of its own it is where the module looks anyway.
      ...(deploys && !own ? traits.monitored.map((name) => `${name}=${webapps}`) : []),
      ...(deploys ? ['jetty.deploy.scanInterval=0'] : []),
      ...request.properties,
      ...(request.lib === undefined ? [] : [`--lib=${request.lib}/*.jar`]),
      ...(request.ini === undefined ? [] : [`--commands=${request.ini}`]),
      ...request.xml,
      ...request.arguments,
    ],
    files: deploys ? [...madeDirectories(request, own), ...contextFiles(webapps, request.contexts, traits)] : [],
  };
}

/**
 * `work` in its base is where Jetty unpacks WARs and compiles pages. Without it that is /tmp: memory, of which the app's
 * daemons share one piece, and where a Jetty that was killed leaves what it unpacked for as long as the app runs.
 * `logs` is where its modules write theirs (`requestlog`), which must outlive the base.
 */
function madeDirectories({ made, logs }: JettyRequest, own: boolean): readonly PreparedFile[] {
  const webapps = { kind: 'directory', path: join(made, 'webapps') } as const;
  if (!own) return [webapps];
  return [
    webapps,
    { kind: 'directory', path: join(made, 'work') },
    { kind: 'directory', path: logs },
    { kind: 'link', path: join(made, 'logs'), to: logs },
  ];
}

/** `root.xml` for `/`, `wiki.xml` for `/wiki`, `a-b.xml` for `/a/b`: the path itself is said inside. */
function contextFiles(webapps: string, contexts: readonly WebContext[], traits: ModuleTraits): readonly PreparedFile[] {
  return contexts.flatMap((context) => {
    const name = context.contextPath === '/' ? 'root' : context.contextPath.slice(1).replaceAll('/', '-');
    const content = contextFile(traits.contextClass, context);
    const xml = { kind: 'file', path: join(webapps, `${name}.xml`), content } as const;
    if (traits.properties.length === 0) return [xml];
    const properties = `${traits.properties.join('\n')}\n`;
    return [{ kind: 'file', path: join(webapps, `${name}.properties`), content: properties }, xml];
  });
}

export const dialects: readonly JettyDialect[] = [six, seven, nine, twelve];
