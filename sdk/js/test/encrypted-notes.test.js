// Without a server; with one, and in a browser: tests/end-to-end/tests/encrypted_notes.rs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { newKey, open, seal } from "../encrypted-notes.js";

const note = { title: "Diary", body: "dear ünïcödé 🍵", tags: ["private"] };

test("what is sealed is opened with its key, and with no other", async () => {
  const [key, other] = [await newKey(), await newKey()];
  const envelope = await seal(key, note);
  assert.deepEqual(await open(key, envelope), note);
  await assert.rejects(open(other, envelope), /not here/);
  await assert.rejects(open({ ...other, id: key.id }, envelope), /altered/);
  await assert.rejects(crypto.subtle.exportKey("raw", key.key), "a key left");
});

test("an envelope has the form that the server takes, and nothing in clear", async () => {
  const key = await newKey();
  const envelope = await seal(key, note);
  assert.deepEqual(Object.keys(envelope), ["version", "algorithm", "key_id", "nonce", "ciphertext"]);
  for (const part of [envelope.key_id, envelope.nonce, envelope.ciphertext]) assert.match(part, /^[A-Za-z0-9_-]+$/);
  assert.equal(envelope.nonce.length, 16);
  assert.ok(!JSON.stringify(envelope).includes("Diary"));
  const longer = await seal(key, { ...note, body: "x".repeat(500) });
  assert.equal(longer.ciphertext.length, envelope.ciphertext.length, "the length tells what is in it");
  assert.notEqual((await seal(key, note)).nonce, envelope.nonce);
});

test("whatever is altered is noticed", async () => {
  const key = await newKey();
  const envelope = await seal(key, note);
  const another = (text) => (text[0] === "A" ? "B" : "A") + text.slice(1);
  for (const altered of [
    { ...envelope, nonce: another(envelope.nonce) },
    { ...envelope, ciphertext: another(envelope.ciphertext) },
    { ...envelope, ciphertext: envelope.ciphertext.slice(0, -4) },
    { ...envelope, version: 2 },
    { ...envelope, algorithm: "AES-CBC" },
    { ...envelope, key_id: "k1" },
  ]) {
    await assert.rejects(open(key, altered));
  }
  // The key's id is bound to what is encrypted with it.
  await assert.rejects(open({ ...key, id: "k1" }, { ...envelope, key_id: "k1" }), /altered/);
});
