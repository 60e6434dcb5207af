// The card of one answer: what is said or why nothing is, how probable it is, and where it stands.

import { call } from "./api.js";
import { bar, duration, fileName, inWords, make, marked, own, percent, placed } from "./dom.js";
import { showButton } from "./reader.js";

const ROUTES = {
  lookup: "stored pair", passage: "read from a passage", read: "read from pairs", hops: "two passages",
  chain: "chain of pairs", span: "found in a passage", abstain: "no answer",
};
const STEPWISE = new Set(["hops", "chain"]); // their evidence has an order

const sentence = (reason) => reason.charAt(0).toUpperCase() + reason.slice(1) + (/[.!?]$/.test(reason) ? "" : ".");

function probability(value) {
  if (value === null) return make("div", { class: "probability quiet" }, "How likely it is to be right is not known.");
  const said = `${percent(value)}, ${inWords(value)}`;
  return make(
    "div", { class: "probability" },
    bar(value, "Probability that the answer is right", said),
    make("strong", {}, percent(value)), ` ${inWords(value)}`,
  );
}

function evidenceCard(memory, place) {
  const relative = place.start === null || place.passage_start === null ? [null, null]
    : [place.start - place.passage_start, place.end - place.passage_start];
  const pair = place.stored_pair;
  return make(
    "li", { class: "evidence" },
    placed(place),
    pair && make("p", { class: "pair" }, make("span", { class: "quiet" }, "Stored pair: "), own(pair.question), " — ", own(pair.answer)),
    place.passage && make("blockquote", { dir: "auto" }, marked(place.passage, ...relative)),
    place.start !== null && place.document && showButton(
      memory, { source: place.document, title: place.title, start: place.start, end: place.end },
    ),
  );
}

function evidence(memory, answer, route) {
  if (!answer.evidence.length) return null;
  const inOrder = STEPWISE.has(route) && answer.evidence.length > 1;
  return make(
    "section", {},
    make("h3", {}, inOrder ? "Step by step" : "Where it stands"),
    make(inOrder ? "ol" : "ul", { class: inOrder ? "steps" : "plain" }, answer.evidence.map((place) => evidenceCard(memory, place))),
  );
}

function elsewhere(memory, answer) {
  if (!answer.elsewhere.length) return null;
  const cards = answer.elsewhere.map((item) => {
    const card = evidenceCard(memory, item);
    const age = item.newer === null ? "" : item.newer ? " (newer)" : " (older)";
    card.prepend(make("p", { class: "other" }, own(item.text), make("span", { class: "quiet" }, item.date ? ` of ${item.date.text}${age}` : age)));
    return card;
  });
  return make("section", {}, make("h3", {}, "Other sources say"), make("ul", { class: "plain" }, cards));
}

// The answer that was not given, behind a click, with what it rests on.
function withheld(memory, answer) {
  if (!answer.held) return null;
  const step = answer.tried.findLast((item) => item.held === answer.held);
  return make(
    "details", { class: "withheld" },
    make("summary", { "data-step": true }, "Show the withheld answer"),
    make("p", { class: "answer", dir: "auto" }, answer.held),
    probability(answer.probability),
    evidence(memory, answer, step?.route ?? "") ?? make("p", { class: "quiet" }, "It rests on nothing that can be shown."),
  );
}

function nearest(memory, found) {
  if (!found) return null;
  return make(
    "section", {},
    make("h3", {}, "The nearest sentence"),
    make(
      "div", { class: "evidence" },
      placed(found),
      make("blockquote", { dir: "auto" }, found.sentence),
      showButton(memory, { source: found.document, title: found.title, start: found.start, end: found.end }),
    ),
  );
}

function steps(answer) {
  if (!answer.tried.length) return null;
  return make(
    "details", {},
    make("summary", { "data-step": true }, `Steps (${answer.tried.length})`),
    make("ol", { class: "tried" }, answer.tried.map((step) => make(
      "li", {},
      make("strong", {}, ROUTES[step.route] ?? step.route), " ",
      make("span", { class: "quiet" }, duration(step.milliseconds)),
      make("p", {},
        step.text ? ["said ", own(step.text)] : step.held ? ["held back ", own(step.held)] : "found nothing",
        step.probability === null ? "" : `, ${percent(step.probability)}`, `: ${step.reason}`),
    ))),
  );
}

// Buttons that say whether the answer is right, where the server signed it. Marks are kept by a server that may write.
function feedback(memory, writable, answer) {
  if (!answer.answer_id) return null;
  const said = make("span", { role: "status", class: "quiet" });
  const marks = writable && answer.text !== null;
  const verdicts = marks ? [["right", "Right"], ["wrong", "Wrong"]] : [["useless", "This did not help"]];
  const buttons = verdicts.map(([verdict, label]) => make("button", {
    type: "button", "data-step": true, "aria-pressed": "false",
    onclick: async (event) => {
      try {
        await call([memory, "feedback"], { method: "POST", json: { answer_id: answer.answer_id, verdict } });
        buttons.forEach((button) => button.setAttribute("aria-pressed", String(button === event.target)));
        said.textContent = "Noted, thank you.";
      } catch (error) {
        said.textContent = error.message;
      }
    },
  }, label));
  return make("p", { class: "feedback", role: "group", "aria-label": "What you say of this answer" }, buttons, said);
}

export function answerCard({ name: memory, writable }, answer) {
  const given = answer.text !== null;
  const route = make("span", { class: "chip" }, ROUTES[answer.route] ?? answer.route);
  return make(
    "article", { class: given ? "card" : "card refused" },
    make("p", { class: "asked", dir: "auto" }, answer.question),
    given ? make("h2", { class: "answer", dir: "auto" }, answer.text) : make("h2", { class: "answer" }, "I do not know"),
    given ? probability(answer.probability) : null,
    make("p", { class: "why" }, sentence(answer.reason)),
    answer.generated && make("p", { class: "quiet" }, "Its source does not hold it in these words."),
    answer.date && make("p", { class: "quiet" }, `Its source is of ${answer.date.text}.`),
    make("p", { class: "facts quiet" }, route, make("span", {}, duration(answer.milliseconds))),
    feedback(memory, writable, answer),
    given ? evidence(memory, answer, answer.route) : nearest(memory, answer.nearest),
    given ? elsewhere(memory, answer) : withheld(memory, answer),
    steps(answer),
  );
}

export function hitCard(memory, hit) {
  const pair = hit.pair;
  return make(
    "li", { class: "evidence" },
    make("p", { class: "question", dir: "auto" }, pair.question),
    make("p", { class: "other", dir: "auto" }, pair.answer),
    hit.document ? placed({ ...hit, title: fileName(hit.document) }) : make("p", { class: "quiet" }, `Stands in no document (${pair.origin}).`),
    hit.document && pair.span && showButton(
      memory, { id: pair.document_id, source: hit.document, start: pair.span.start, end: pair.span.end },
    ),
  );
}
