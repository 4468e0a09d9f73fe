"use strict";
// Keys and partial updates. Everything here is also a form or a link, which works without it.

const main = () => document.getElementById("content");
const cards = () => [...document.querySelectorAll(".card[tabindex]")];
const mayWork = () => main()?.dataset.mayWork === "yes";
let current = null; // the id of the card that keys are about
let asksReason = false;

function say(text) {
  const place = document.getElementById("said");
  if (place) place.textContent = text;
}

function show(card, focus = true) {
  cards().forEach((each) => each.classList.toggle("current", each === card));
  current = card ? card.id : null;
  if (card && focus) {
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
  }
}

function currentCard() {
  return (current && document.getElementById(current)) || null;
}

function move(step, choosing) {
  const all = cards();
  if (!all.length) return;
  const at = all.indexOf(currentCard());
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
  if (choosing) for (const each of [all[at], all[next]]) if (each) choose(each, true);
  show(all[next]);
}

function choose(card, on) {
  const box = card.querySelector('input[name="id"][type="checkbox"]');
  if (box) box.checked = on;
  card.classList.toggle("chosen", on);
  showToolbar(false);
}

// What can be done with several leads is shown when some are chosen, or a key asks for it.
function showToolbar(asked) {
  const form = document.getElementById("leads");
  form?.classList.toggle("choosing", asked || form.querySelector('input[name="id"]:checked') !== null);
}

// The page is asked for again and its parts are put in place: what is seen is always what the server says.
let newest = 0;
async function load(request, { keepsAddress = false, focus = null } = {}) {
  const mine = ++newest;
  document.body.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(request);
    const text = await answer.text();
    if (mine !== newest) return;
    const page = new DOMParser().parseFromString(text, "text/html");
    if (!answer.ok) {
      say(page.querySelector('[role="alert"]')?.textContent ?? "That did not work.");
      const told = page.querySelector(".banner");
      if (told && main()) main().prepend(document.adoptNode(told));
      return;
    }
    for (const selector of [".head", "#content"]) {
      const from = page.querySelector(selector);
      const to = document.querySelector(selector);
      if (from && to) to.replaceWith(document.adoptNode(from));
      else if (!from) { location.assign(answer.url); return; } // another kind of page: signing in again
    }
    document.title = page.title;
    const address = new URL(answer.url);
    for (const name of ["done", "said"]) address.searchParams.delete(name);
    if (!keepsAddress) history.replaceState(null, "", address);
    prepare();
    if (focus) focus();
    say(document.querySelector(".done p")?.textContent.trim() ?? document.title);
  } catch {
    say("The server does not answer.");
  } finally {
    if (mine === newest) document.body.removeAttribute("aria-busy");
  }
}

function send(form, button) {
  const data = new FormData(form);
  if (button?.name) data.append(button.name, button.value);
  const all = cards();
  const at = Math.max(0, all.indexOf(currentCard()));
  return load(new Request(form.action, { method: "POST", body: new URLSearchParams(data) }), {
    focus: () => {
      const left = cards();
      show(currentCard() ?? left[Math.min(at, left.length - 1)] ?? null, left.length > 0);
    },
  });
}

// With the chosen cards, or else the current one.
function act(button) {
  const form = button?.form;
  if (!form || !mayWork()) return;
  const card = currentCard();
  const chosen = form.querySelector('input[name="id"]:checked, input[name="id"][type="hidden"]');
  if (!chosen && card) choose(card, true);
  return send(form, button);
}

const button = (selector) => document.querySelector(selector);

function open_() {
  const card = currentCard();
  const link = card?.querySelector("a.reddit");
  if (!link) return say("This document has no link to Reddit.");
  window.open(link.href, "_blank", "noopener,noreferrer");
  const opened = button('button[value="status:open"]');
  if (opened && mayWork() && new URL(location).searchParams.get("tab") === null) act(opened);
}

function askReason() {
  const place = button(".dismiss");
  if (!place || !currentCard()) return;
  asksReason = true;
  showToolbar(true);
  place.classList.add("asked");
  say("Why? " + [...place.querySelectorAll("button")].map((each) => each.textContent.trim()).join(", "));
}

function stopAsking() {
  asksReason = false;
  button(".dismiss")?.classList.remove("asked");
  showToolbar(false);
}

const KEYS = {
  j: () => move(1, false),
  k: () => move(-1, false),
  J: () => move(1, true),
  K: () => move(-1, true),
  o: open_,
  c: () => act(button('button[data-key="c"]')),
  s: () => act(button('button[value="status:snoozed"]')),
  x: askReason,
  u: () => act(button('button[value="undo"]')),
  a: () => { const accept = button('button[data-key="a"]'); if (accept) send(accept.form, accept); },
  e: () => currentCard()?.querySelector('a[data-key="e"]')?.click(),
  n: () => {
    const card = currentCard();
    if (card && !document.querySelector('input[name="id"]:checked')) choose(card, true);
    showToolbar(true);
    document.getElementById("note")?.focus();
  },
  "/": () => { const filters = button(".filters"); if (filters) filters.open = true; document.getElementById("search")?.focus(); },
  "?": () => document.getElementById("help")?.showModal(),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input:not([type=checkbox]), select, textarea, dialog");
  if (event.key === "Escape") { stopAsking(); if (typing && !typing.matches("dialog")) typing.blur(); return; }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (asksReason && /^[1-6]$/.test(event.key)) {
    event.preventDefault();
    stopAsking();
    act(button(`button[data-reason="${event.key}"]`));
    return;
  }
  stopAsking();
  const does = KEYS[event.key];
  if (!does) return;
  event.preventDefault();
  does();
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method === "dialog" || form.action.endsWith("/sign-out") || !main()?.dataset.mayWork) return;
  event.preventDefault();
  if (form.method === "post") send(form, event.submitter);
  else {
    const address = new URL(form.action);
    for (const [name, value] of new FormData(form)) if (value) address.searchParams.set(name, value);
    load(address.href);
  }
});

document.addEventListener("focusin", (event) => {
  const card = event.target.closest?.(".card[tabindex]");
  if (card) show(card, false);
});
document.addEventListener("change", (event) => {
  if (event.target.matches?.('input[name="id"]')) choose(event.target.closest(".card"), event.target.checked);
});

// A slider beside each number that has a short range, and a preview while it is moved.
let waiting = 0;
function preview() {
  clearTimeout(waiting);
  waiting = setTimeout(async () => {
    const form = document.getElementById("tuning");
    const address = new URL(form.action);
    for (const [name, value] of new FormData(form)) if (value) address.searchParams.set(name, value);
    const mine = ++newest;
    const answer = await fetch(address);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const from = page.getElementById("preview");
    if (mine !== newest || !from) return;
    document.getElementById("preview").replaceWith(document.adoptNode(from));
    history.replaceState(null, "", address);
  }, 250);
}

function prepare() {
  for (const number of document.querySelectorAll('#tuning input[type="number"]')) {
    number.addEventListener("input", preview);
    if (number.max - number.min > 2) continue;
    const slider = document.createElement("input");
    Object.assign(slider, { type: "range", min: number.min, max: number.max, step: number.dataset.step, value: number.value });
    slider.setAttribute("aria-label", number.name);
    slider.addEventListener("input", () => { number.value = slider.value; preview(); });
    number.addEventListener("input", () => { slider.value = number.value; });
    number.after(slider);
  }
  for (const field of document.querySelectorAll('#tuning input[type="text"]')) field.addEventListener("change", preview);
  // Somebody may have changed a field before we listened, and browsers bring back what was typed before a reload.
  const fields = [...document.querySelectorAll("#tuning input:not([type=range])")];
  if (fields.some((field) => field.value !== field.defaultValue)) preview();
  for (const box of document.querySelectorAll('input[name="id"][type="checkbox"]:checked')) choose(box.closest(".card"), true);
}

document.documentElement.classList.add("js");
prepare();
const address = new URL(location);
if (address.searchParams.has("done") || address.searchParams.has("said")) {
  for (const name of ["done", "said"]) address.searchParams.delete(name);
  history.replaceState(null, "", address);
}
