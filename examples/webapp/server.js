// A small web app: one page, and what the server knows of itself at /status.
const { readFile } = require('node:fs/promises');
const { createServer } = require('node:http');
const { hostname, networkInterfaces, userInfo } = require('node:os');
const { join } = require('node:path');

const port = Number(process.env.PORT ?? 8080);

function status(request) {
  const addresses = Object.values(networkInterfaces()).flat();
  return {
    hostname: hostname(),
    user: userInfo().username,
    pid: process.pid,
    addresses: addresses.filter(({ internal }) => !internal).map(({ address }) => address),
    visitor: request.socket.remoteAddress,
  };
}

const server = createServer(async (request, response) => {
  try {
    if (request.url === '/status') {
      response.setHeader('content-type', 'application/json');
      response.end(`${JSON.stringify(status(request))}\n`);
    } else if (request.url === '/') {
      response.setHeader('content-type', 'text/html; charset=utf-8');
      response.end(await readFile(join(__dirname, 'index.html')));
    } else {
      response.statusCode = 404;
      response.end('there is nothing here\n');
    }
  } catch (error) {
    response.statusCode = 500;
    response.end();
    console.error(error);
  }
});

server.listen(port, '0.0.0.0', () => console.log(`listening on port ${port}`));
process.on('SIGTERM', () => {
  console.log('closing');
  server.close();
  server.closeAllConnections();
});
