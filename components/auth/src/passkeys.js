// Passkeys in a page. Options go in as the server gives them, and what comes out goes back to it as it is. Browsers
// that do not know JSON have it translated here.

const bytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

const text = (buffer) =>
  btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(""))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const withIds = (list) => list?.map((one) => ({ ...one, id: bytes(one.id) }));

const toCreate = (options) =>
  PublicKeyCredential.parseCreationOptionsFromJSON?.(options) ?? {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: withIds(options.excludeCredentials),
  };

const toAsk = (options) =>
  PublicKeyCredential.parseRequestOptionsFromJSON?.(options) ?? {
    ...options,
    challenge: bytes(options.challenge),
    allowCredentials: withIds(options.allowCredentials),
  };

const PARTS = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];

const toJson = (credential) => {
  if (credential.toJSON) return credential.toJSON();
  const { id, rawId, type, response } = credential;
  const parts = PARTS.filter((part) => response[part]).map((part) => [part, text(response[part])]);
  const transports = response.getTransports?.();
  return {
    id, type, rawId: text(rawId),
    response: { ...Object.fromEntries(parts), ...(transports && { transports }) },
    clientExtensionResults: {},
  };
};

/** Whether this browser has passkeys at all. */
export const isThere = () => typeof PublicKeyCredential === "function";

/** Whether it offers them where a name is typed: in a field with `autocomplete="username webauthn"`. */
export const isOffered = async () =>
  isThere() && ((await PublicKeyCredential.isConditionalMediationAvailable?.()) ?? false);

/** Has a passkey made: `navigator.credentials.create`. */
export const make = async (options, more = {}) =>
  toJson(await navigator.credentials.create({ publicKey: toCreate(options), ...more }));

/** Asks for a passkey: `navigator.credentials.get`; `more` may be `{ mediation: "conditional", signal }`. */
export const ask = async (options, more = {}) =>
  toJson(await navigator.credentials.get({ publicKey: toAsk(options), ...more }));
