// What is said in channels, as it is said.

import { StreamEnded, backoff, calling, isOver, isRefusal, messages, open, pause } from "./stream.js";

/**
 * Hears what is said to the user, and in these channels. Where a connection is lost it makes a new one, by
 * itself, and goes on from the last message. A WebSocket is tried first, and where that cannot be had,
 * Server-Sent Events.
 *
 * - `url`: the server, `https://example.com`;
 * - `token`: an access token, or a function that answers one whenever there is to be a connection; or
 *   `ticket`: a function that answers what `POST /api/v1/realtime/tickets` does;
 * - `channels`: `family:fam_1`, for example; `user:{own id}` and `system` are heard anyway;
 * - `onMessage(message)`: each message, also those about the stream but for its pings; after
 *   `stream.gap` read again what you show;
 * - `onEnd(error)`: nothing follows, and why.
 */
export function connect({ url, token, ticket, channels = [], onMessage, onEnd = () => {}, ...options }) {
  const { WebSocket = globalThis.WebSocket } = options;
  const [newToken, newTicket] = [calling(token), calling(ticket)];
  const wanted = new Set(channels);
  const closing = new AbortController();
  let [last, socket, cut, wait, ready, denied, asked] = [];

  /** The address, with all that is to be heard. */
  async function address() {
    const to = new URL("/api/v1/realtime", url);
    asked = new Set(wanted);
    if (asked.size) to.searchParams.set("channels", [...asked].join(","));
    const given = await newTicket();
    if (given) to.searchParams.set("ticket", given.ticket ?? given);
    return to;
  }

  /** Takes a message; throws when the connection is to end. */
  function take(message) {
    const { type, data, id } = message;
    last = id ?? last;
    if (type === "stream.ready") {
      [ready, denied] = [data.heartbeat_ms, false];
      change();
    }
    if (type === "stream.ping") return socket?.send('{"type":"stream.pong"}');
    onMessage(message);
    if (type === "stream.reconnect") wait = data.after_ms;
    if (type === "stream.end" && data.code === "token_expired") wait = 0;
    const isLast = type === "stream.end" && (isOver(data.code) || (wait === 0 && typeof token === "string"));
    if (isLast) throw new StreamEnded(data.code, data.message);
  }

  /** Ends a connection after two silent heartbeats: `heard` says that it is not silent. */
  function watch(end) {
    let timer;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(end, 2 * (ready ?? 15_000));
    };
    heard();
    return { heard, stop: () => clearTimeout(timer) };
  }

  async function overSocket() {
    const to = await address();
    to.protocol = to.protocol.replace("http", "ws");
    if (last) to.searchParams.set("last_event_id", last);
    const bearer = await newToken();
    await new Promise((resolve, reject) => {
      const open = new WebSocket(to, bearer ? ["sbd.v1", `bearer.${bearer}`] : ["sbd.v1"]);
      const close = (error) => (watched.stop(), (socket = undefined), open.close(), error ? reject(error) : resolve());
      const watched = watch(() => close());
      cut = () => close();
      open.onmessage = ({ data }) => {
        watched.heard();
        socket = open;
        try {
          take(JSON.parse(data));
        } catch (error) {
          close(error);
        }
      };
      open.onclose = open.onerror = () => close();
    });
  }

  async function overEvents() {
    const ending = new AbortController();
    cut = () => ending.abort();
    const watched = watch(cut);
    try {
      const body = await open(await address(), { token: await newToken(), last, signal: ending.signal });
      for await (const message of messages(body)) {
        watched.heard();
        take(message);
      }
    } finally {
      watched.stop();
    }
  }

  async function run() {
    let bySocket = Boolean(WebSocket);
    for (let attempt = 0; !closing.signal.aborted; attempt += 1) {
      [wait, ready] = [];
      try {
        await (bySocket ? overSocket() : overEvents());
      } catch (error) {
        // A token may just have expired: a new one is tried once.
        const isDenied = error.status === 401 && (denied || !(typeof token === "function" || ticket));
        denied ||= error.status === 401;
        const isForGood = error instanceof StreamEnded && (!error.status || isDenied || isRefusal(error));
        if (isForGood) return onEnd(error);
      }
      if (ready) attempt = 0;
      // Where no WebSocket can be had, the other way may work, and the other way round.
      else bySocket = Boolean(WebSocket) && !bySocket;
      await pause(wait ?? backoff(attempt), closing.signal);
    }
  }

  const say = (message) => Boolean(socket && (socket.send(JSON.stringify(message)), true));

  /** Has what is heard be what is wanted. Over Server-Sent Events that takes a new connection. */
  function change() {
    if (!ready) return;
    const changes = [
      ...[...wanted].filter((channel) => !asked.has(channel)).map((channel) => ({ type: "join", channel })),
      ...[...asked].filter((channel) => !wanted.has(channel)).map((channel) => ({ type: "leave", channel })),
    ];
    asked = new Set(wanted);
    if (changes.length && !changes.every(say)) (wait = 0), cut();
  }

  run().catch(onEnd);
  return {
    /** Hears a channel too. */
    join: (channel) => (wanted.add(channel), change()),
    /** Hears a channel no more. */
    leave: (channel) => (wanted.delete(channel), change()),
    /** Says something in a channel; whether it could be said: it takes a WebSocket. */
    send: (channel, data) => say({ type: "send", channel, data }),
    /** Ends it. */
    close: () => (closing.abort(), cut?.()),
  };
}
