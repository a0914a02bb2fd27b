// An EventSource of npm's `eventsource` that reads until the server sends it away for good.
//
//   EVENTSOURCE_DIR=<dir whose node_modules has it> node eventsource.mjs <url> <token> <event name>...
//
// Prints a line when it is connected, and at the end one JSON object: the events as they came, and with which
// Last-Event-ID each connection was made.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(pathToFileURL(process.env.EVENTSOURCE_DIR + '/'));
const { EventSource } = await import(pathToFileURL(require.resolve('eventsource')));
const [url, token, ...names] = process.argv.slice(2);
const seen = { events: [], connections: [], statuses: [] };

const fetchWithToken = async (input, init) => {
  seen.connections.push(init.headers['Last-Event-ID'] ?? '');
  const response = await fetch(input, { ...init, headers: { ...init.headers, Authorization: `Token ${token}` } });
  if (seen.statuses.push(response.status) === 1) console.log('connected');
  return response;
};

const source = new EventSource(url, { fetch: fetchWithToken });
for (const name of ['message', ...names])
  source.addEventListener(name, event => {
    if (event.data !== undefined) seen.events.push({ event: name, data: event.data, id: event.lastEventId });
  });
source.onerror = () => {
  if (source.readyState === EventSource.CLOSED) {
    console.log(JSON.stringify(seen));
    process.exit(0);
  }
};
