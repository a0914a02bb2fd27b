// AI SDK's streamText behind Node's own HTTP server, its stream kept by resumable-stream: node resumable.mjs PORT
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { streamText } from 'ai';
import { createResumableStreamContext } from 'resumable-stream';

const provider = createOpenAICompatible({ name: 'replayed', baseURL: process.env.UPSTREAM, apiKey: 'none' });
const context = createResumableStreamContext({ waitUntil: (promise) => void promise });
const prompt = 'What does a viewer see?';

createServer((request, response) => {
  streamText({ model: provider(request.url.slice(1)), prompt }).pipeUIMessageStreamToResponse(response, {
    consumeSseStream: ({ stream }) => context.createNewResumableStream(randomUUID(), () => stream),
  });
}).listen(Number(process.argv[2]), '127.0.0.1');
