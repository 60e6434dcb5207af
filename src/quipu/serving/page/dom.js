// Elements of the page, and how numbers and places are said. Whatever comes from a memory becomes text here, never markup.

// A new element. Attributes whose name begins with "on" are listeners; null, undefined and false are left out.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

// A text of a memory within a line: what it says of directions ends where it ends.
export const own = (text) => make("bdi", {}, text ?? "");

// Offsets of the API count characters of Unicode, JavaScript's count halves of some of them.
export const letters = (text) => Array.from(text);

export const number = (value) => value.toLocaleString("en");

export function count(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

export function percent(share) {
  if (share > 0 && share < 0.005) return "under 1%";
  if (share < 1 && share >= 0.995) return "over 99%";
  return `${Math.round(100 * share)}%`;
}

const WORDS = [[0.95, "almost certain"], [0.8, "very likely"], [0.6, "likely"], [0.4, "about as likely as not"]];

export function inWords(probability) {
  return WORDS.find(([least]) => probability >= least)?.[1] ?? "unlikely";
}

export function duration(milliseconds) {
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
}

// The last part of a document's source; records of one file are told apart by what follows "#".
export function fileName(source) {
  const [path, ...record] = (source ?? "").split("#");
  return [path.split("/").filter(Boolean).pop() ?? path, ...record].join("#");
}

// Title, headings, file, page and line of a place, as the head of a card; `extra`: what else is said of it.
export function placed(place, ...extra) {
  const title = place.title || fileName(place.document);
  const headings = (place.headings ?? []).filter((heading) => heading !== title);
  const where = [place.page && `page ${place.page}`, place.line && `line ${place.line}`].filter(Boolean);
  return make(
    "div", { class: "place" },
    make("strong", {}, own(title)),
    headings.map((heading) => [make("span", { class: "apart", "aria-hidden": "true" }, " › "), own(heading)]).flat(),
    make(
      "span", { class: "quiet dotted", title: place.document },
      title === fileName(place.document) ? null : own(fileName(place.document)),
      where.map((part) => make("span", {}, part)),
      extra.map((part) => make("span", {}, part)),
    ),
  );
}

// A share as a bar; `name` says of what.
export function bar(share, name, said) {
  const filled = make("span", { class: "filled" });
  filled.style.width = `${100 * Math.min(1, Math.max(0, share))}%`;
  return make(
    "div",
    { class: "bar", role: "meter", "aria-label": name, "aria-valuemin": 0, "aria-valuemax": 1,
      "aria-valuenow": share.toFixed(3), "aria-valuetext": said },
    filled,
  );
}

// The part of `text` from `start` to `end` (characters), marked with the sentences around it.
export function marked(text, start, end) {
  const all = letters(text);
  if (start === null || end === null || start < 0 || end > all.length || start >= end) return [text];
  const from = all.slice(0, start).join("").length;
  const to = from + all.slice(start, end).join("").length;
  let [first, last] = [from, to];
  if (typeof Intl.Segmenter === "function") {
    for (const { segment, index } of new Intl.Segmenter("en", { granularity: "sentence" }).segment(text)) {
      if (index >= to || index + segment.length <= from) continue;
      first = Math.min(first, index + segment.length - segment.trimStart().length);
      last = Math.max(last, index + segment.trimEnd().length);
    }
  }
  const quote = make("strong", {}, text.slice(from, to));
  return [text.slice(0, first), make("mark", {}, text.slice(first, from), quote, text.slice(to, last)), text.slice(last)];
}

export const note = (text) => make("p", { class: "quiet" }, text);

const latest = new WeakMap(); // what each container waits for

// Empties a container; what it waits for does not come into it any more.
export function clear(container) {
  latest.delete(container);
  container.replaceChildren();
  container.removeAttribute("aria-busy");
}

// Shows that something is being waited for; what `work` gives replaces it, unless something newer was begun.
export async function fill(container, work) {
  latest.set(container, work);
  container.setAttribute("aria-busy", "true");
  let found;
  try {
    found = [await work()].flat();
  } catch (error) {
    found = [make("p", { class: "note problem", role: "alert" }, error.message)];
  }
  if (latest.get(container) !== work) return;
  container.replaceChildren(...found);
  container.removeAttribute("aria-busy");
}
