import type { KeySpec } from '../config/types.ts';

/** Keys that every Jetty platform has beside the JVM's. Defaults that differ by version are in jetty-versions.ts. */
export const jettyKeys: readonly KeySpec[] = [
  {
    key: 'jetty.home',
    type: 'path',
    doc: 'Where Jetty is installed: the directory of start.jar. Default: /usr/share/jettyN, as in Debian.',
  },
  {
    key: 'jetty.webapp',
    type: 'text',
    aliases: ['jetty.war'],
    doc:
      'The web application: a WAR file or a directory with WEB-INF, relative to the app directory. Default: the app directory ' +
      'itself if it has WEB-INF, else its WAR files (one alone is served at `/`; of several, ROOT.war at `/`, the others by name), ' +
      'else those in its `webapps` directory (by name).',
  },
  {
    key: 'jetty.context-path',
    type: 'text',
    doc: 'Path at which the web application is served. Default: `/`.',
  },
  {
    key: 'http.port',
    type: 'integer',
    min: 1,
    max: 65535,
    aliases: ['jetty.port'],
    doc: 'Port of the HTTP connector. Default: 80 where the app has an address of its own, else 8080.',
  },
  {
    key: 'jetty.options',
    type: 'list',
    doc: 'Parts of Jetty to load: modules (`http deploy jsp`; jetty9 and newer) or OPTIONS (`Server jsp`; jetty7, jetty8).',
  },
  {
    key: 'jetty.base',
    type: 'text',
    doc:
      'A Jetty base directory of your own (jetty9 and newer), relative to the app directory: its start.ini and start.d choose the ' +
      'modules. Default: one made for the daemon at each start in the state directory.',
  },
  { key: 'jetty.ini', type: 'path', doc: 'A file of further arguments for start.jar, one a line (jetty7 and newer).' },
  { key: 'jetty.lib', type: 'text', doc: 'Directory of further jars for the server, relative to the app directory.' },
  {
    key: 'jetty.xml',
    type: 'list',
    doc: 'Configuration files for start.jar, relative to jetty.home. Default: etc/jetty.xml for jetty6, jetty7 and jetty8.',
  },
  {
    key: 'jetty.properties',
    type: 'list',
    doc: "Jetty's own properties, `name=value` each, such as `jetty.http.idleTimeout=5000`.",
  },
  { key: 'jetty.arguments', type: 'list', doc: 'Further arguments of start.jar; they come last.' },
];

/** jetty12 runs several generations of servlets. */
export const environmentKey: KeySpec = {
  key: 'jetty.environment',
  type: 'enum',
  values: ['ee8', 'ee9', 'ee10', 'ee11'],
  default: 'ee10',
  doc: 'Servlet generation of the web application (jetty12): ee8 is javax.servlet, the newer ones jakarta.servlet.',
};
