// The page of `quipu serve`: which memory, which tab, what is typed. It keeps nothing but the token of this tab.

import { answerCard } from "./answer.js";
import { call, notices, token } from "./api.js";
import { byId, clear, count, fill, make, note } from "./dom.js";
import { add, coverage, documents, search } from "./panels.js";
import { leave, review } from "./review.js";

const TABS = ["ask", "search", "documents", "coverage", "review"];
const BOXES = { ask: "question", search: "words" };
const known = new Map(); // memories by name
let tab = "ask";
let asked = null; // the controller of the question that is being answered
let begun = null; // settled once the memories are known; what is typed before waits for it

const memory = () => byId("memory").value;

// Tabs.
function open(name) {
  tab = name;
  for (const other of TABS) {
    const button = byId(`tab-${other}`);
    button.setAttribute("aria-selected", String(other === name));
    button.tabIndex = other === name ? 0 : -1;
    byId(other).hidden = other !== name;
  }
  if (!memory()) return;
  if (name === "documents" && !byId("list").children.length) fill(byId("list"), () => documents(memory()));
  if (name === "review" && !byId("waiting").children.length) review(memory());
  if (name === "coverage" && !byId("covered").children.length) fill(byId("covered"), () => coverage(memory()));
}

TABS.forEach((name) => {
  byId(`tab-${name}`).addEventListener("click", () => open(name));
  byId(`tab-${name}`).addEventListener("keydown", (event) => {
    const there = TABS.filter((other) => !byId(`tab-${other}`).hidden);
    const at = there.indexOf(name);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: there.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = there[(to + there.length) % there.length];
    open(next);
    byId(`tab-${next}`).focus();
  });
});

// Questions.
async function ask(question) {
  asked?.abort();
  const mine = (asked = new AbortController());
  await begun;
  const name = memory();
  if (!name || mine !== asked) return;
  await fill(byId("answer"), async () => {
    const answer = await call([name, "ask"], { method: "POST", json: { question }, signal: mine.signal });
    byId("status").textContent = answer.text === null ? "No answer." : `Answer: ${answer.text}`;
    return answerCard(known.get(name), answer);
  });
}

byId("ask").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  ask(byId("question").value);
});

byId("search").querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  await begun;
  if (memory()) fill(byId("hits"), () => search(memory(), byId("words").value, byId("by").value));
});

byId("upload").addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = memory();
  const files = [...byId("files").files];
  event.target.reset();
  const added = await Promise.all(files.map((file) => add(name, file)));
  if (!added.some(Boolean) || name !== memory()) return;
  await look(name);
  fill(byId("list"), () => documents(name));
  clear(byId("covered"));
});

// Memories.
async function begin() {
  byId("problem").hidden = true;
  try {
    const { memories } = await call(["memories"]);
    known.clear();
    memories.forEach((found) => known.set(found.name, found));
    byId("memory").replaceChildren(...memories.map((found) => make("option", {}, found.name)));
    byId("memory").disabled = memories.length < 2;
    byId("token-form").hidden = true;
    choose();
  } catch (error) {
    complain(error.message);
  }
}

async function look(name) {
  known.set(name, await call([name]));
  about();
}

function about() {
  const found = known.get(memory());
  document.title = found ? `${found.name} – quipu` : "quipu";
  byId("upload").hidden = byId("tab-review").hidden = !found?.writable;
  const { pairs, documents: files } = found?.counts ?? {};
  byId("about").textContent = found ? `${count(pairs, "pair")} from ${count(files, "document")}` : "";
}

function choose() {
  ["answer", "hits", "list", "covered", "jobs", "waiting"].forEach((id) => clear(byId(id)));
  leave();
  about();
  open(byId(`tab-${tab}`).hidden ? "ask" : tab);
  if (memory()) fill(byId("answer"), suggestions);
}

// Questions that the memory surely knows, to begin with.
async function suggestions() {
  const name = memory();
  const { pairs } = await call([name, "pairs"], { query: { limit: 4 } });
  if (!pairs.length) return note("This memory is empty.");
  const buttons = pairs.map((pair) => make("button", {
    type: "button", class: "suggestion", "data-step": true, dir: "auto",
    onclick: () => {
      byId("question").value = pair.question;
      ask(pair.question);
      byId("question").focus();
    },
  }, pair.question));
  return make("div", { class: "suggestions" }, make("h2", {}, "For example"), buttons);
}

byId("memory").addEventListener("change", () => {
  asked?.abort();
  choose();
});

// Tokens and problems.
function complain(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = false;
}

notices.addEventListener("token", () => {
  byId("token-form").hidden = false;
});
notices.addEventListener("loading", () => complain("The memory is being loaded; the question waits for it."));
notices.addEventListener("loaded", () => {
  byId("problem").hidden = true;
});
byId("change-token").addEventListener("click", () => {
  byId("token-form").hidden = !byId("token-form").hidden;
  if (!byId("token-form").hidden) byId("token").focus();
});
byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token.set(byId("token").value.trim());
  event.target.reset();
  begun = begin();
});

// Keys: "/" goes to the box, arrows go through what is found.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("reader").open) return;
  const writing = event.target.matches("input, textarea, select");
  if (event.key === "/" && !writing) {
    event.preventDefault();
    if (!BOXES[tab]) open("ask");
    byId(BOXES[tab]).focus();
    byId(BOXES[tab]).select();
    return;
  }
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const box = BOXES[tab] && byId(BOXES[tab]);
  if (by === undefined || (writing && event.target !== box)) return;
  const steps = [box, ...byId(tab).querySelectorAll(".found [data-step]")].filter((step) => step?.checkVisibility());
  const at = steps.indexOf(event.target);
  if (at < 0 || !steps[at + by]) return;
  event.preventDefault();
  steps[at + by].focus();
});

token.take();
begun = begin();
byId("question").focus();
