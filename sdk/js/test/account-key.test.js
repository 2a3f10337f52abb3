// Without a server; with one, and in a browser: tests/end-to-end/tests/encrypted_notes.rs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { newAccountKey, unlock, withNewRecoveryKey, withPassphrase } from "../account-key.js";
import { open, seal } from "../encrypted-notes.js";

const [passphrase, other] = ["plum tractor öpera ninety", "battery horse staple nine"];
const note = { title: "Diary", body: "dear diary", tags: [] };

test("what one device encrypts another one reads, by the passphrase or the recovery key", async () => {
  const made = await newAccountKey(passphrase);
  const envelope = await seal(made.key, note);
  for (const by of [
    { passphrase },
    { passphrase: passphrase.normalize("NFD") },
    { recoveryKey: made.recoveryKey },
    { recoveryKey: ` ${made.recoveryKey.toUpperCase().replaceAll("-", " ")}\n` },
  ]) {
    assert.deepEqual(await open(await unlock(made.encryption, by), envelope), note);
  }
  await assert.rejects(unlock(made.encryption, { passphrase: other }), /not the passphrase/);
  await assert.rejects(unlock(made.encryption, { recoveryKey: "x" }), /not the recovery key/);
  await assert.rejects(crypto.subtle.exportKey("raw", made.key.key), "a key left");
  await assert.rejects(newAccountKey("too short"), /at least 12/);
});

test("what is wrapped has the form that the server takes, and nothing in clear", async () => {
  const { encryption, recoveryKey } = await newAccountKey(passphrase);
  assert.deepEqual(Object.keys(encryption), ["version", "key_id", "by_passphrase", "by_recovery_key"]);
  assert.match(encryption.key_id, /^[A-Za-z0-9_-]{1,64}$/);
  for (const text of [encryption.by_passphrase, encryption.by_recovery_key]) assert.match(text, /^[A-Za-z0-9_$-]{1,1024}$/);
  assert.match(encryption.by_passphrase, /^PBKDF2-SHA-256\$600000\$/);
  assert.match(recoveryKey, /^([a-z1-9]{5}-){7}[a-z1-9]{5}$/);
  assert.notEqual((await newAccountKey(passphrase)).encryption.by_passphrase, encryption.by_passphrase);
});

test("another passphrase is for the same key, as is another recovery key", async () => {
  const made = await newAccountKey(passphrase);
  const envelope = await seal(made.key, note);
  const changed = await withPassphrase(made.encryption, { recoveryKey: made.recoveryKey }, other);
  assert.deepEqual(await open(await unlock(changed, { passphrase: other }), envelope), note);
  assert.deepEqual(await open(await unlock(changed, { recoveryKey: made.recoveryKey }), envelope), note);
  await assert.rejects(unlock(changed, { passphrase }), /not the passphrase/);
  const renewed = await withNewRecoveryKey(changed, { passphrase: other });
  assert.deepEqual(await open(await unlock(renewed.encryption, { recoveryKey: renewed.recoveryKey }), envelope), note);
  await assert.rejects(unlock(renewed.encryption, { recoveryKey: made.recoveryKey }), /not the recovery key/);
});

test("whatever is altered is noticed", async () => {
  const { encryption } = await newAccountKey(passphrase);
  const [derived, , ...rest] = encryption.by_passphrase.split("$");
  const another = encryption.by_passphrase.at(-2) === "A" ? "B" : "A";
  for (const altered of [
    { ...encryption, version: 2 },
    { ...encryption, key_id: "k1" },
    { ...encryption, by_passphrase: encryption.by_recovery_key },
    { ...encryption, by_passphrase: [derived, 1, ...rest].join("$") },
    { ...encryption, by_passphrase: [derived, 1e9, ...rest].join("$") },
    { ...encryption, by_passphrase: ["SHA-1", 600_000, ...rest].join("$") },
    { ...encryption, by_passphrase: encryption.by_passphrase.slice(0, -2) + another + encryption.by_passphrase.at(-1) },
  ]) {
    await assert.rejects(unlock(altered, { passphrase }));
  }
});
