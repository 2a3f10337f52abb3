// Notes that only whoever has the key can read: what is sent is ciphertext in the one form that the server takes.
// The form is in docs/encrypted-notes.md. Without dependencies, for browsers and for Node 20 or later.

const ALGORITHM = "AES-GCM";
const NONCE_BYTES = 12;
/** How long a note is should not say what is in it: it is filled up with blanks to a multiple of this. */
const BLOCK = 1024;

const base64url = (bytes) =>
  btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");

const bytesOf = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

/** What is bound to the ciphertext without being in it: nobody passes it off as of another form or key. */
const boundTo = ({ version, algorithm, key_id }) =>
  new TextEncoder().encode(`sbd-note ${version} ${algorithm} ${key_id}`);

/** A key that encrypts and decrypts here, and that no script can read: not even one of ours. */
export async function newKey() {
  const key = await crypto.subtle.generateKey({ name: ALGORITHM, length: 256 }, false, ["encrypt", "decrypt"]);
  return { id: base64url(crypto.getRandomValues(new Uint8Array(9))), key };
}

/** The key of this browser, made when it is first asked for and kept in its IndexedDB. */
export async function keptKey(name = "notes") {
  const database = await asked(indexedDB.open("sbd-encrypted-notes", 1), (request) => {
    request.result.createObjectStore("keys");
  });
  const keys = (mode) => database.transaction("keys", mode).objectStore("keys");
  try {
    const kept = await asked(keys("readonly").get(name));
    if (kept) return kept;
    const made = await newKey();
    // Of two tabs that make one at once, the first is kept: both use that one.
    await asked(keys("readwrite").add(made, name)).catch(() => {});
    return await asked(keys("readonly").get(name));
  } finally {
    database.close();
  }
}

const asked = (request, onupgradeneeded) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = (event) => (event.preventDefault(), reject(request.error));
    if (onupgradeneeded) request.onupgradeneeded = () => onupgradeneeded(request);
  });

/** A note (`{ title, body, tags }`, or whatever JSON can say) as an envelope. */
export async function seal({ id, key }, note) {
  const envelope = { version: 1, algorithm: ALGORITHM, key_id: id };
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const text = new TextEncoder().encode(JSON.stringify(note));
  const filled = new Uint8Array(Math.ceil(text.length / BLOCK) * BLOCK).fill(0x20);
  filled.set(text);
  const how = { name: ALGORITHM, iv: nonce, additionalData: boundTo(envelope) };
  const ciphertext = new Uint8Array(await crypto.subtle.encrypt(how, key, filled));
  return { ...envelope, nonce: base64url(nonce), ciphertext: base64url(ciphertext) };
}

/** The note in an envelope. Throws where it is of another key, or anything about it was altered. */
export async function open({ id, key }, envelope) {
  if (envelope.version !== 1 || envelope.algorithm !== ALGORITHM) {
    throw new Error("the note is encrypted in a form that this page does not know; reload it, or update the client");
  }
  if (envelope.key_id !== id) throw new Error(`the note is encrypted with the key ${envelope.key_id}, which is not here`);
  const how = { name: ALGORITHM, iv: bytesOf(envelope.nonce), additionalData: boundTo(envelope) };
  const filled = await crypto.subtle.decrypt(how, key, bytesOf(envelope.ciphertext)).catch(() => {
    throw new Error("the note was altered since it was encrypted, or is of another key");
  });
  return JSON.parse(new TextDecoder().decode(filled));
}

/** Notes on a server, encrypted before they leave: `notes({ url, token: async () => "...", key })`. */
export function notes({ url, token, key }) {
  const ask = async (method, path, body, headers = {}) => {
    const answer = await fetch(new URL(path, url), {
      method,
      headers: { authorization: `Bearer ${await token()}`, "content-type": "application/json", ...headers },
      body: body && JSON.stringify(body),
    });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.error.message);
    return { id: said.id, version: said.version, note: await open(key, said.encrypted) };
  };
  return {
    create: async (note) => ask("POST", "/api/v1/notes/encrypted", { encrypted: await seal(key, note) }),
    read: (id) => ask("GET", `/api/v1/notes/${id}`),
    replace: async (id, version, note) =>
      ask("PUT", `/api/v1/notes/${id}/encrypted`, { encrypted: await seal(key, note) }, { "if-match": `"${version}"` }),
  };
}
