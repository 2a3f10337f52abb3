// What all streams of Second Brain have in common (docs/streams.md).

/** Codes of `stream.end` after which there is nothing to come back for. */
const OVER = new Set(["done", "signed_out", "suspended", "malformed"]);

/** Whether `stream.end` with this code is for good. */
export const isOver = (code) => OVER.has(code);

/** Milliseconds to wait before the nth attempt: by chance, up to a limit that doubles, so that many
 * who lost one server do not come back at once. */
export const backoff = (attempt) => Math.random() * Math.min(30_000, 1000 * 2 ** attempt);

/** A function of what may be a value. */
export const calling = (value) => (typeof value === "function" ? value : async () => value);

/** Resolves after so many milliseconds, or when the signal is aborted. */
export const pause = (ms, signal) =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });

/** Why a stream is no more. `code` is what the server says: `signed_out`, `FORBIDDEN`, ... */
export class StreamEnded extends Error {
  constructor(code, message, status) {
    super(message || code);
    Object.assign(this, { name: "StreamEnded", code, status });
  }
}

/** Opens Server-Sent Events. Throws StreamEnded if the server refuses it, for good or (408, 429, 5xx) not. */
export async function open(url, { token, last, signal }) {
  const headers = { accept: "text/event-stream" };
  if (token) headers.authorization = `Bearer ${token}`;
  if (last) headers["last-event-id"] = last;
  const response = await fetch(url, { headers, signal, cache: "no-store" });
  if (response.ok) return response.body;
  const { code = `HTTP ${response.status}`, message } = (await response.json().catch(() => ({}))).error ?? {};
  throw new StreamEnded(code, message, response.status);
}

/** Whether what was thrown says that asking again is no use. */
export const isRefusal = ({ status }) =>
  status >= 400 && status < 500 && ![401, 408, 425, 429].includes(status);

/** The messages in the body of Server-Sent Events, one after the other. */
export async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let [rest, data] = ["", []];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      // A CR at the end may be half of a CRLF.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
        if (line !== "" || data.length === 0) continue;
        const message = JSON.parse(data.join("\n"));
        data = [];
        yield message;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
