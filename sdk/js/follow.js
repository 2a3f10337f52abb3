// The stream of one thing: the progress of a task, the words of a model.

import { StreamEnded, backoff, calling, isOver, isRefusal, messages, open, pause } from "./stream.js";

/**
 * The messages about one thing, until it is done: `for await (const message of follow(url, { token }))`.
 * Where the connection is lost, it goes on from the last message. What comes to another end than `done`
 * throws StreamEnded.
 *
 * `token` is an access token, or a function that answers one whenever there is to be a connection.
 */
export async function* follow(url, { token, signal } = {}) {
  const newToken = calling(token);
  let [last, attempt, denied] = [undefined, 0, false];
  while (!signal?.aborted) {
    let wait;
    try {
      const body = await open(url, { token: await newToken(), last, signal });
      for await (const message of messages(body)) {
        [attempt, denied] = [0, false];
        last = message.id ?? last;
        const { type, data } = message;
        if (type === "stream.end") {
          if (data.code === "done") return;
          if (isOver(data.code)) throw new StreamEnded(data.code, data.message);
          break;
        }
        if (type === "stream.reconnect") {
          wait = data.after_ms;
          break;
        }
        if (type !== "stream.ping") yield message;
      }
    } catch (error) {
      if (signal?.aborted) return;
      // A token may just have expired: a new one is tried once.
      const isDenied = error.status === 401 && (denied || typeof token !== "function");
      denied ||= error.status === 401;
      if (isDenied || isRefusal(error) || (error instanceof StreamEnded && !error.status)) throw error;
    }
    await pause(wait ?? backoff(attempt++), signal);
  }
}
