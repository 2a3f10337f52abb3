// Against a server of its own; against the real one: tests/end-to-end/tests/realtime_client.rs.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { follow } from "../follow.js";
import { connect } from "../realtime.js";
import { messages } from "../stream.js";

const body = (...chunks) =>
  new ReadableStream({
    start(to) {
      for (const chunk of chunks) to.enqueue(new TextEncoder().encode(chunk));
      to.close();
    },
  });

const all = async (stream) => {
  const seen = [];
  for await (const one of stream) seen.push(one);
  return seen;
};

/** A server whose nth answer is the nth of these, and what it was asked. */
async function serve(t, ...answers) {
  const asked = [];
  const server = createServer((request, response) => {
    const answer = answers[asked.push(request) - 1] ?? answers.at(-1);
    answer(response, request);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => (server.closeAllConnections(), server.close()));
  return { url: `http://127.0.0.1:${server.address().port}/`, asked };
}

const say = (...said) => (response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const message of said) response.write(`${message.id ? `id: ${message.id}\n` : ""}data: ${JSON.stringify(message)}\n\n`);
  response.end();
};

const refuse = (status, code) => (response) => {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ error: { code, message: "Not so" } }));
};

const ready = { type: "stream.ready", data: { heartbeat_ms: 1000 } };
const back = { type: "stream.reconnect", data: { after_ms: 1 } };
const done = { type: "stream.end", data: { code: "done" } };

test("messages are read however they are cut", async () => {
  const text = ': hello\r\nid: 1\r\ndata: {"n":\r\ndata: 1}\r\n\r\nretry: 5\n\ndata:{"n":2}\n\ndata: {"n":3}\r\rdata: {"n":4}';
  for (let size = 1; size <= text.length; size += 1) {
    const chunks = text.match(new RegExp(`[^]{1,${size}}`, "g"));
    assert.deepEqual(await all(messages(body(...chunks))), [{ n: 1 }, { n: 2 }, { n: 3 }], `${size}`);
  }
  const umlaut = [...new TextEncoder().encode('data: "ü"\n\n')].map((byte) => new Uint8Array([byte]));
  const bytes = new ReadableStream({ start: (to) => (umlaut.forEach((byte) => to.enqueue(byte)), to.close()) });
  assert.deepEqual(await all(messages(bytes)), ["ü"]);
});

test("one thing is followed to its end, from where the connection was lost", async (t) => {
  const { url, asked } = await serve(
    t,
    say(ready, { id: "a", type: "x" }, back),
    say(ready, { id: "b", type: "y" }, done),
  );
  const tokens = ["one", "two"];
  const seen = await all(follow(url, { token: async () => tokens.shift() }));
  assert.deepEqual(seen.map(({ type }) => type), ["stream.ready", "x", "stream.ready", "y"]);
  assert.deepEqual(asked.map(({ headers }) => headers["last-event-id"]), [undefined, "a"]);
  assert.deepEqual(asked.map(({ headers }) => headers.authorization), ["Bearer one", "Bearer two"]);
});

test("what is refused, or ends otherwise, is told", async (t) => {
  const { url } = await serve(t, refuse(403, "FORBIDDEN"));
  await assert.rejects(all(follow(url)), { code: "FORBIDDEN", status: 403 });
  const suspended = { type: "stream.end", data: { code: "suspended", message: "m" } };
  const other = await serve(t, say(ready, suspended));
  await assert.rejects(all(follow(other.url)), { code: "suspended", message: "m" });
});

test("channels are heard, and heard on after a break, without a WebSocket too", async (t) => {
  const { url, asked } = await serve(
    t,
    say(ready, { id: "1", channel: "a:1", type: "x" }, back),
    say(ready, { id: "2", channel: "a:1", type: "y" }, { type: "stream.ping" }, back),
    say(ready, { type: "stream.end", data: { code: "signed_out", message: "m" } }),
  );
  const seen = [];
  const end = await new Promise((onEnd) =>
    connect({ url, token: "t", channels: ["a:1", "b:2"], WebSocket: null, onEnd, onMessage: ({ type }) => seen.push(type) }),
  );
  assert.equal(end.code, "signed_out");
  assert.deepEqual(seen.filter((type) => !type.startsWith("stream.")), ["x", "y"]);
  assert.ok(!seen.includes("stream.ping"));
  assert.deepEqual(asked.map(({ headers }) => headers["last-event-id"]), [undefined, "1", "2"]);
  assert.equal(new URL(asked[0].url, url).searchParams.get("channels"), "a:1,b:2");
});

test("where no WebSocket can be had, the other way is tried, and a new token once", async (t) => {
  const { url, asked } = await serve(t, refuse(401, "UNAUTHENTICATED"), say(ready, back), refuse(401, "UNAUTHENTICATED"));
  class Closed {
    constructor() {
      setTimeout(() => this.onclose());
    }
    close() {}
  }
  let tokens = 0;
  const end = await new Promise((onEnd) =>
    connect({ url, token: () => `t${++tokens}`, WebSocket: Closed, onEnd, onMessage() {} }),
  );
  assert.equal(end.status, 401);
  assert.ok(asked.length >= 4, `${asked.length}`);
});
