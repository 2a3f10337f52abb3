// What a page cannot do without a script: passkeys, and the code of a mail.
import { ask, isOffered, isThere, make } from "./passkeys.js";

// The code of a mail stands in the fragment of its link, which no server sees: it goes into the field of the form.
const mailed = document.querySelector("[data-mailed] form");
if (mailed && location.hash) {
  const [what, code] = location.hash.slice(1).split("=");
  const choice = [...mailed.elements.what].find((choice) => choice.value === what);
  if (choice && code) {
    choice.checked = true;
    mailed.elements.code.value = decodeURIComponent(code);
    mailed.querySelector("button").focus();
  }
  // Neither in the history nor where somebody reads over a shoulder.
  history.replaceState(null, "", location.pathname);
}

// Passkeys are offered where there are any.
if (isThere()) {
  for (const offer of document.querySelectorAll("[data-passkeys]")) offer.hidden = false;
  for (const instead of document.querySelectorAll("[data-no-passkeys]")) instead.hidden = true;
}

// Where a name is typed, a browser offers the passkeys that it has. What it is asked by is good for five minutes: it is
// asked anew before they are over.
const RENEWED = 4 * 60 * 1000;
const offer = document.querySelector("form[data-offer]");
const offered = async () => {
  const again = AbortSignal.timeout(RENEWED);
  try {
    const options = await fetch(offer.dataset.offer, { method: "POST" });
    if (!options.ok) return;
    const how = { mediation: "conditional", signal: again };
    const credential = await ask(await options.json(), how);
    offer.elements.credential.value = JSON.stringify(credential);
    offer.submit();
  } catch {
    // Otherwise whoever was offered one signs in in another way.
    if (again.aborted) offered();
  }
};
if (offer && (await isOffered())) offered();

// A form that sends what the browser gives for a passkey: it is asked at once, and again by the button.
const form = document.querySelector("form[data-ask]");
if (form) {
  const failed = document.querySelector("[data-failed]");
  const use = async () => {
    failed.hidden = true;
    try {
      const options = JSON.parse(form.dataset.options);
      const credential = await (form.dataset.ask === "make" ? make : ask)(options);
      form.elements.credential.value = JSON.stringify(credential);
      form.submit();
    } catch {
      failed.hidden = false;
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    use();
  });
  use();
}
