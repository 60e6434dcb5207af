// The Review tab: the pair that waits first with its passage, what is decided about it, and the way back.

import { call } from "./api.js";
import { byId, count, fill, make, marked, note, own, placed } from "./dom.js";
import { showButton } from "./reader.js";

const AT_ONCE = 20; // pairs in one request
let desk = null; // { memory, item, skipped, history, busy }: what one person has before them, of one memory

const say = (text) => { byId("reviewed").textContent = text; };

// The first pair that waits and was not skipped; `again`: the one that an undo brought back.
async function first({ memory, skipped }, again) {
  const ask = (query) => call([memory, "review"], { query });
  if (again) {
    const { pairs } = await ask({ pair: again });
    if (pairs.length) return pairs[0];
  }
  for (let skip = 0; ; skip += AT_ONCE) {
    const { pairs } = await ask({ limit: AT_ONCE, skip });
    const item = pairs.find((pair) => !skipped.has(pair.id));
    if (item || pairs.length < AT_ONCE) return item ?? null;
  }
}

function place(memory, found) {
  const span = found.passage === null ? [] : [found.start - found.passage_start, found.end - found.passage_start];
  return make(
    "li", { class: "evidence" },
    placed(found),
    found.passage && make("blockquote", { dir: "auto" }, marked(found.passage, ...span)),
    found.start !== null && showButton(memory, { source: found.document, title: found.title, start: found.start, end: found.end }),
  );
}

function form(item) {
  const field = (name, label) => make(
    "label", {}, label, make("textarea", { name, rows: 2, dir: "auto", required: true, maxlength: name === "question" ? 2000 : 10000 }),
  );
  const made = make(
    "form", { class: "edit", hidden: true },
    field("question", "Question"), field("answer", "Answer"),
    make("div", { class: "row" }, make("button", { class: "main" }, "Save"), make("button", { type: "button", onclick: () => edit(false) }, "Cancel")),
  );
  for (const name of ["question", "answer"]) made.elements[name].value = item[name];
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    decide("edit", { question: made.elements.question.value, answer: made.elements.answer.value });
  });
  return made;
}

function card(memory, item) {
  const buttons = [
    ["Accept", () => decide("accept")], ["Reject", () => decide("reject")], ["Edit", () => edit(true)], ["Skip", skip], ["Undo", undo],
  ].map(([label, act], at) => make("button", { type: "button", class: at ? null : "main", onclick: act }, label));
  return make(
    "article", { class: "card", tabindex: -1, "aria-label": "The pair that waits" },
    make("p", { class: "quiet" }, `Here because ${item.because}.`),
    make("h2", { class: "answer", dir: "auto" }, item.question),
    make("p", { class: "other", dir: "auto" }, item.answer),
    make("div", { class: "feedback", role: "group", "aria-label": "What you decide" }, buttons),
    form(item),
    item.evidence.length ? make("ul", { class: "plain" }, item.evidence.map((found) => place(memory, found)))
      : note(`It stands in no document (${item.origin}).`),
  );
}

const nothing = () => [
  note(desk.skipped.size ? `Nothing waits but what was skipped (${count(desk.skipped.size, "pair")}).` : "Nothing waits any more."),
  desk.history.length > 0 && make("button", { type: "button", onclick: undo }, "Undo"),
].filter(Boolean);

async function show(again = null) {
  const mine = desk;
  const inside = byId("review").contains(document.activeElement);
  mine.item = null;
  await fill(byId("waiting"), async () => {
    const item = await first(mine, again);
    mine.item = item;
    return item ? card(mine.memory, item) : nothing();
  });
  if (inside && mine === desk) byId("waiting").querySelector(".card, button")?.focus();
}

export function review(memory) {
  desk = { memory, item: null, skipped: new Set(), history: [], busy: false };
  return show();
}

export function leave() {
  desk = null;
  say("");
}

// Send a decision; then the next pair is shown, or with `back` the one that is there again. What is refused stays.
async function send(pair, json, back = false) {
  const mine = desk;
  if (mine.busy) return false;
  mine.busy = true;
  try {
    const kept = await call([mine.memory, "review", pair], { method: "POST", json });
    if (kept.id && !back) mine.history.push(kept.id);
    say(kept.job ? "It waits for another job." : { accept: "Accepted.", reject: "Rejected.", edit: "Edited.", undo: "Taken back." }[json.decision]);
    if (mine === desk) await show(back ? kept.id : null);
    return true;
  } catch (error) {
    say(error.message);
    if (mine === desk && error.code === "changed") await show();
    return false;
  } finally {
    mine.busy = false;
  }
}

function decide(decision, texts = {}) {
  const { item } = desk;
  if (item) send(item.id, { decision, version: item.version, ...texts });
}

async function undo() {
  const { history } = desk;
  if (!history.length) say("Nothing was decided here yet.");
  else if (await send(history.at(-1), { decision: "undo" }, true)) history.pop();
}

function skip() {
  if (!desk.item || desk.busy) return;
  desk.skipped.add(desk.item.id);
  say("Skipped.");
  show();
}

function edit(begun) {
  const made = byId("waiting").querySelector("form");
  if (!made) return;
  made.hidden = !begun;
  (begun ? made.elements.question : made.closest(".card")).focus();
}

// Keys act while the focus is on the tab or in what it shows, so that they are in nobody's way elsewhere.
const KEYS = { a: () => decide("accept"), r: () => decide("reject"), e: () => edit(true), s: skip, u: undo };
document.addEventListener("keydown", (event) => {
  const here = byId("review").contains(event.target) || event.target === byId("tab-review");
  if (!here || !desk || event.ctrlKey || event.metaKey || event.altKey || event.repeat || byId("reader").open) return;
  if (event.target.matches("input, textarea, select")) {
    if (event.key === "Escape") edit(false);
    return;
  }
  if (!KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
