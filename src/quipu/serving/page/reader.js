// The dialog in which a document is read, a piece at a time, with a place in it marked.

import { call } from "./api.js";
import { byId, fileName, make, marked, number, own } from "./dom.js";

const PIECE = 6000; // characters in one request; the server gives 20,000 at most

const dialog = byId("reader");
const text = dialog.querySelector(".text");
const [before, after] = [byId("reader-before"), byId("reader-after")];
let shown = null; // { memory, document, start, end } of what is in the dialog

byId("reader-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
before.addEventListener("click", () => more(Math.max(0, shown.start - PIECE), shown.start).catch(say));
after.addEventListener("click", () => more(shown.end, shown.end + PIECE).catch(say));

const say = (error) => byId("reader-file").append(make("span", { class: "problem", role: "alert" }, error.message));

const piece = (memory, document, start, end) => call([memory, "documents", document, "text"], { query: { start, end } });

async function more(start, end) {
  const open = shown;
  const found = await piece(open.memory, open.document, start, end);
  if (open !== shown) return;
  const area = byId("reader-text");
  if (start < open.start) {
    const height = area.scrollHeight;
    text.prepend(found.text);
    area.scrollTop += area.scrollHeight - height;
  } else text.append(found.text);
  edges(Math.min(open.start, found.start), Math.max(open.end, found.end), found.characters);
}

function edges(start, end, characters) {
  Object.assign(shown, { start, end });
  before.hidden = start === 0;
  after.hidden = end >= characters;
}

// Show a document: `id`, or the `source` that answers name; `start` and `end` of what is marked, if anything is.
export async function read(memory, { id, source, title, start = null, end = null }) {
  if (!id) {
    const { documents } = await call([memory, "documents"], { query: { source, limit: 200 } });
    const known = documents.find((document) => document.source === source) ?? documents[0];
    if (!known) throw new Error("The document is not in the memory any more.");
    [id, title] = [known.id, title || known.title];
  }
  const from = start === null ? 0 : Math.max(0, start - PIECE / 2);
  const found = await piece(memory, id, from, start === null ? PIECE : Math.min(end + PIECE / 2, from + 20000));
  shown = { memory, document: id };
  text.replaceChildren(...(start === null ? [found.text] : marked(found.text, start - from, end - from)));
  byId("reader-title").replaceChildren(own(title || fileName(source)));
  byId("reader-file").replaceChildren(own(fileName(source)), make("span", {}, `${number(found.characters)} characters`));
  edges(found.start, found.end, found.characters);
  dialog.showModal();
  byId("reader-text").focus();
  byId("reader-text").scrollTop = 0;
  text.querySelector("mark")?.scrollIntoView({ block: "center" });
}

// A button that shows a place in its document; what goes wrong is said beside it.
export function showButton(memory, place, label = "Show in document") {
  const button = make("button", { "data-step": true, type: "button" }, label);
  button.addEventListener("click", async () => {
    button.parentElement.querySelector(".problem")?.remove();
    button.disabled = true;
    try {
      await read(memory, place);
    } catch (error) {
      button.after(make("span", { class: "problem", role: "alert" }, ` ${error.message}`));
    } finally {
      button.disabled = false;
    }
  });
  return button;
}
