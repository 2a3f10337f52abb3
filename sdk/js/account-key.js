// The key of an account, for what its clients encrypt: made where the account is opened, and wrapped there by a
// passphrase and by a recovery key before it leaves. The server keeps it so, and can read neither it nor what it
// encrypts. The form is in docs/encrypted-notes.md. Without dependencies, for browsers and for Node 20 or later.

const CIPHER = "AES-GCM";
const DERIVED = "PBKDF2-SHA-256";
const EXPANDED = "HKDF-SHA-256";
/** How often a passphrase is hashed: what OWASP advises for SHA-256. */
const ITERATIONS = 600_000;
/** More would be to keep this page busy. */
const MOST_ITERATIONS = 10_000_000;
const SHORTEST_PASSPHRASE = 12;
/** Letters and digits that nobody takes for one another, 32 of them. */
const ALPHABET = "abcdefghjkmnpqrstuvwxyz123456789";
/** Characters of a recovery key, of five bits each, and of a group of them. */
const RECOVERY = 40;
const GROUP = 5;

const utf8 = (text) => new TextEncoder().encode(text);
const random = (bytes) => crypto.getRandomValues(new Uint8Array(bytes));

const base64url = (bytes) =>
  btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");

const bytesOf = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

/** What is bound to a wrapped key without being in it: nobody passes it off as another one. */
const boundTo = (keyId, by) => utf8(`sbd-account-key 1 ${keyId} ${by}`);

const imported = (bytes, how) => crypto.subtle.importKey("raw", bytes, how, false, ["deriveKey"]);
const aes = { name: CIPHER, length: 256 };
const usages = ["encrypt", "decrypt"];

async function fromPassphrase(passphrase, salt, iterations) {
  const typed = await imported(utf8(passphrase.normalize("NFC")), "PBKDF2");
  const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations };
  return crypto.subtle.deriveKey(how, typed, aes, false, usages);
}

async function expanded(bytes, purpose) {
  const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: utf8(purpose) };
  return crypto.subtle.deriveKey(how, await imported(bytes, "HKDF"), aes, false, usages);
}

/** The key that a recovery key stands for, however that is typed. */
function fromRecoveryKey(recoveryKey) {
  const typed = recoveryKey.toLowerCase().replace(/[^a-z0-9]/g, "");
  return expanded(utf8(typed), "sbd-account-key recovery");
}

async function wrapped(key, by, keyId, wrapping) {
  const nonce = random(12);
  const how = { name: CIPHER, iv: nonce, additionalData: boundTo(keyId, by) };
  const ciphertext = new Uint8Array(await crypto.subtle.encrypt(how, wrapping, key));
  return [base64url(nonce), base64url(ciphertext)];
}

async function unwrapped([nonce, ciphertext], by, keyId, wrapping) {
  const how = { name: CIPHER, iv: bytesOf(nonce), additionalData: boundTo(keyId, by) };
  return new Uint8Array(await crypto.subtle.decrypt(how, wrapping, bytesOf(ciphertext)));
}

async function byPassphrase(key, keyId, passphrase) {
  if ([...passphrase].length < SHORTEST_PASSPHRASE) {
    throw new Error(`a passphrase has at least ${SHORTEST_PASSPHRASE} characters: a few words that do not belong together`);
  }
  const salt = random(16);
  const wrapping = await fromPassphrase(passphrase, salt, ITERATIONS);
  return [DERIVED, ITERATIONS, base64url(salt), ...(await wrapped(key, "passphrase", keyId, wrapping))].join("$");
}

async function byRecoveryKey(key, keyId) {
  const letters = Array.from(random(RECOVERY), (byte) => ALPHABET[byte % ALPHABET.length]);
  const recoveryKey = letters.join("").match(new RegExp(`.{${GROUP}}`, "g")).join("-");
  const parts = await wrapped(key, "recovery-key", keyId, await fromRecoveryKey(recoveryKey));
  return { recoveryKey, text: [EXPANDED, ...parts].join("$") };
}

/** The key itself, by one of `{ passphrase }` and `{ recoveryKey }`. It stays in this module. */
async function opened(encryption, { passphrase, recoveryKey }) {
  const { version, key_id, by_passphrase, by_recovery_key } = encryption;
  const unknown = new Error("the key of this account is wrapped in a form that this page does not know; reload it, or update the client");
  if (version !== 1) throw unknown;
  if (passphrase !== undefined) {
    const [derived, iterations, salt, ...parts] = by_passphrase.split("$");
    const times = Number(iterations);
    if (derived !== DERIVED || !(times >= 1 && times <= MOST_ITERATIONS)) throw unknown;
    const wrapping = await fromPassphrase(passphrase, bytesOf(salt), times);
    return unwrapped(parts, "passphrase", key_id, wrapping).catch(() => {
      throw new Error("this is not the passphrase");
    });
  }
  const [derived, ...parts] = by_recovery_key.split("$");
  if (derived !== EXPANDED) throw unknown;
  return unwrapped(parts, "recovery-key", key_id, await fromRecoveryKey(recoveryKey)).catch(() => {
    throw new Error("this is not the recovery key");
  });
}

/** What notes are encrypted with, which no script can read: another key for each purpose, of the one of the account. */
const forNotes = async (key, id) => ({ id, key: await expanded(key, "sbd-account-key notes") });

/**
 * A key for an account that is to be opened: `encryption` goes to `POST /api/v1/auth/register`, `recoveryKey` is shown to
 * its owner once, and `key` is for `notes({ key })`. The passphrase is not the password, which the server sees.
 */
export async function newAccountKey(passphrase) {
  const [key, keyId] = [random(32), base64url(random(9))];
  const by_passphrase = await byPassphrase(key, keyId, passphrase);
  const { recoveryKey, text } = await byRecoveryKey(key, keyId);
  const encryption = { version: 1, key_id: keyId, by_passphrase, by_recovery_key: text };
  return { encryption, recoveryKey, key: await forNotes(key, keyId) };
}

/** The key for `notes({ key })`, of what `GET /api/v1/auth/me/encryption` answers as `wrapped`, by `{ passphrase }` or `{ recoveryKey }`. */
export const unlock = async (encryption, by) => forNotes(await opened(encryption, by), encryption.key_id);

/** The same key for another passphrase, for `PUT /api/v1/auth/me/encryption`. The recovery key stays good. */
export async function withPassphrase(encryption, by, passphrase) {
  const key = await opened(encryption, by);
  return { ...encryption, by_passphrase: await byPassphrase(key, encryption.key_id, passphrase) };
}

/** The same key for another recovery key, which is answered beside it. The one before is worth nothing once it is put. */
export async function withNewRecoveryKey(encryption, by) {
  const { recoveryKey, text } = await byRecoveryKey(await opened(encryption, by), encryption.key_id);
  return { encryption: { ...encryption, by_recovery_key: text }, recoveryKey };
}
