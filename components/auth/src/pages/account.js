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
