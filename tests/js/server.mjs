// A real HTTP server that answers each request as the test says.

import { createServer } from "node:http";

/**
 * Serve with each of `answers` in turn, the last one for ever. Yield the address and what was asked for.
 * An answer is a function of (request, response), or a text: an event stream that ends.
 */
export async function serving(test, ...answers) {
  const requests = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    requests.push({ method: request.method, url: request.url, headers: request.headers, body });
    const answer = answers[Math.min(requests.length, answers.length) - 1];
    if (typeof answer === "function") return answer(request, response);
    response.writeHead(200, { "Content-Type": "text/event-stream" }).end(answer);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { address: `http://127.0.0.1:${server.address().port}`, requests };
}

export const ID = "6f1f9a52-7c3e-4a53-9a39-0f0a4b6f7a10";

/** Return one event as the server writes it. */
export function written(type, start, data, end = start) {
  return `id: ${ID}.${end}\nevent: ${type}\ndata: ${JSON.stringify({ start, ...data })}\n\n`;
}

export const text = (start, said) => written("text", start, { text: said }, start + [...said].length);
export const begun = written("start", 0, { message: { id: ID, status: "streaming" } });
export const complete = (start) => written("complete", start, { message: { id: ID, status: "complete" } }, "end");

/** Answer with a status and a body. */
export const status = (code, body = {}, headers = {}) => (_request, response) => {
  const isText = typeof body === "string";
  response.writeHead(code, { "Content-Type": isText ? "text/html" : "application/json", ...headers });
  response.end(isText ? body : JSON.stringify(body));
};
