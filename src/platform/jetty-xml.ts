import type { WebContext } from './webapps.ts';

/** Jetty's own XML, which puts web applications into a server. Pure text builders. */

/** Text for an XML element or attribute; control characters, which XML 1.0 has no way to write, become `?`. */
export function xmlText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '?');
}

/** Every Jetty knows the public identifier and keeps the DTD in its jars; nothing is fetched. */
function doctype(systemId: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE Configure PUBLIC "-//Jetty//Configure//EN" "${systemId}">\n`;
}

/** A context file for the `deploy` module of Jetty 9 and newer. */
export function contextFile(contextClass: string, context: WebContext): string {
  return (
    doctype('https://www.eclipse.org/jetty/configure_9_3.dtd') +
    `<Configure class="${contextClass}">\n` +
    `  <Set name="contextPath">${xmlText(context.contextPath)}</Set>\n` +
    `  <Set name="war">${xmlText(context.path)}</Set>\n` +
    '</Configure>\n'
  );
}

/**
 * A server file for Jetty 6 to 8, given to start.jar after etc/jetty.xml: adds every web application to the collection
 * that etc/jetty.xml calls `Contexts`. `packageName` is `org.mortbay.jetty` (6) or `org.eclipse.jetty` (7, 8).
 */
export function serverFile(
  packageName: 'org.mortbay.jetty' | 'org.eclipse.jetty',
  contexts: readonly WebContext[],
): string {
  const mortbay = packageName === 'org.mortbay.jetty';
  const server = mortbay ? 'org.mortbay.jetty.Server' : 'org.eclipse.jetty.server.Server';
  const calls = contexts.map(
    ({ contextPath, path }) =>
      '  <Ref id="Contexts">\n    <Call name="addHandler">\n      <Arg>\n' +
      `        <New class="${packageName}.webapp.WebAppContext">\n` +
      `          <Set name="contextPath">${xmlText(contextPath)}</Set>\n` +
      `          <Set name="war">${xmlText(path)}</Set>\n` +
      `          <Set name="defaultsDescriptor">${packageName.replaceAll('.', '/')}/webapp/webdefault.xml</Set>\n` +
      '        </New>\n      </Arg>\n    </Call>\n  </Ref>\n',
  );
  const system = mortbay ? 'http://jetty.mortbay.org/configure.dtd' : 'http://www.eclipse.org/jetty/configure.dtd';
  return `${doctype(system)}<Configure id="Server" class="${server}">\n${calls.join('')}</Configure>\n`;
}
