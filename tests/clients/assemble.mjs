// What AI SDK makes of a body, and what the page about it makes of the same message out of the history.
//
//   AI_SDK_DIR=<dir whose node_modules has `ai`> node assemble.mjs <module with toUIMessage> < {"body", "message"}
//
// Prints {"streamed", "loaded", "errors"}.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { text } from 'node:stream/consumers';

const require = createRequire(pathToFileURL(process.env.AI_SDK_DIR + '/'));
const { DefaultChatTransport, readUIMessageStream } = await import(pathToFileURL(require.resolve('ai')));
const { toUIMessage } = await import(pathToFileURL(process.argv[2]));
const { body, message } = JSON.parse(await text(process.stdin));

class Transport extends DefaultChatTransport {
  read(bytes) { return this.processResponseStream(bytes); }
}

const errors = [];
const stream = new Transport({}).read(new Blob([body]).stream());
let streamed;
for await (const state of readUIMessageStream({ stream, onError: error => errors.push(String(error.message ?? error)) }))
  streamed = structuredClone(state);
console.log(JSON.stringify({ streamed, loaded: toUIMessage(message), errors }));
