// What the tabs show: the nearest pairs, the documents with their pairs, what is added, and the coverage.

import { hitCard } from "./answer.js";
import { call, follow } from "./api.js";
import { bar, byId, count, fill, make, note, number, own, percent, placed } from "./dom.js";
import { showButton } from "./reader.js";

export async function search(memory, question, method) {
  const { hits } = await call([memory, "search"], { method: "POST", json: { question, method, k: 20 } });
  if (!hits.length) return note("Nothing like it is stored.");
  return make("ol", { class: "plain" }, hits.map((hit) => hitCard(memory, hit)));
}

// A list that is got a page at a time: `get(after)` gives items and where the next page begins.
async function paged(get, row, nothing) {
  const list = make("ul", { class: "plain" });
  const more = make("button", { type: "button", "data-step": true }, "Show more");
  let after = null;
  const load = async () => {
    const page = await get(after);
    after = page.next;
    more.hidden = after === null;
    list.append(...page.items.map(row));
  };
  more.addEventListener("click", async () => {
    more.disabled = true;
    await load().catch((error) => more.after(make("span", { class: "problem", role: "alert" }, ` ${error.message}`)));
    more.disabled = false;
  });
  await load();
  return list.children.length ? [list, more] : note(nothing);
}

const pairRow = (pair) => make("li", {}, make("p", { class: "question" }, own(pair.question)), make("p", { class: "other" }, own(pair.answer)));

function pairsOf(memory, document) {
  return paged(async (after) => {
    const { pairs, next } = await call([memory, "pairs"], { query: { document: document.id, limit: 20, after } });
    return { items: pairs, next };
  }, pairRow, "It has no pairs.");
}

function documentRow(memory, document) {
  const pairs = make("div", { class: "found" });
  const opened = make("details", {}, make("summary", { "data-step": true }, count(document.pairs, "pair")), pairs);
  opened.addEventListener("toggle", () => opened.open && !pairs.children.length && fill(pairs, () => pairsOf(memory, document)));
  return make(
    "li", { class: "evidence entry" },
    placed({ title: document.title, document: document.source }, count(document.characters, "character"), count(document.passages, "passage")),
    document.characters > 0 && showButton(memory, { id: document.id, source: document.source, title: document.title }, "Read"),
    opened,
  );
}

export function documents(memory) {
  return paged(async (after) => {
    const { documents: items, next } = await call([memory, "documents"], { query: { limit: 50, after } });
    return { items, next };
  }, (document) => documentRow(memory, document), "No documents: this memory holds pairs only.");
}

// Send one file, and show how its job goes; whether it was added.
export async function add(memory, file) {
  const progress = make("progress", { max: 1, "aria-label": `Progress of ${file.name}` });
  const said = make("span", { class: "quiet", role: "status" }, "is being sent");
  byId("jobs").prepend(make("li", {}, own(file.name), " ", said, progress));
  let job = null;
  try {
    const name = file.name.normalize("NFC");
    const sent = await call([memory, "documents", name], { method: "PUT", body: file });
    for await (job of follow(sent.job)) {
      if (job.total) [progress.max, progress.value] = [job.total, job.done];
      const kept = job.kept ? `, ${count(job.kept, "pair")} so far` : "";
      said.textContent = job.state === "queued" ? "waits for its turn" : `${job.stage ?? "is being read"}: ${number(job.done)} of ${number(job.total)}${kept}`;
    }
    if (job?.state === "done") {
      const dropped = Object.values(job.report.dropped).reduce((sum, part) => sum + part, 0);
      said.textContent = job.report.unchanged ? "is known as it is" : `${count(job.report.pairs, "new pair")}; ${number(dropped)} dropped by the filters`;
    } else said.textContent = job?.detail ?? "was not ended; see the server";
  } catch (error) {
    said.textContent = error.message;
  }
  progress.remove();
  said.classList.toggle("problem", job?.state !== "done");
  return job?.state === "done";
}

function shares(rows, total) {
  return make("ul", { class: "plain shares" }, rows.map(([name, value]) => make(
    "li", {}, own(name), make("span", { class: "quiet" }, `${number(value)} (${percent(total ? value / total : 0)})`),
    bar(total ? value / total : 0, name, `${number(value)} of ${number(total)}`),
  )));
}

export async function coverage(memory) {
  const { total, dropped, passages } = await call([memory, "coverage"], { query: { limit: 20 } });
  if (!total.passages) return note("No passages: this memory holds pairs only.");
  const bare = passages.filter((passage) => passage.passage !== null);
  return [
    make("h2", {}, "What became of the passages"),
    make("dl", { class: "totals" }, [
      ["passages", total.passages], ["without a pair", total.bare], ["pairs made", total.made], ["pairs kept", total.kept],
    ].map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, number(value))))),
    make("h3", {}, "Pairs made"),
    shares([["kept", total.kept], ...Object.entries(dropped)], total.made),
    make("h3", {}, "Passages with the fewest pairs"),
    make("ul", { class: "plain" }, bare.map((passage) => make(
      "li", { class: "evidence entry" },
      placed(passage, `${count(passage.kept, "pair")} kept of ${number(passage.made)} made`),
      showButton(memory, { source: passage.document, title: passage.title, start: passage.start, end: passage.end }, "Read"),
    ))),
  ];
}
