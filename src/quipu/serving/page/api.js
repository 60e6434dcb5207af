// The server's API: requests with the token of this tab, errors as one line for a person, events of jobs.

const BASE = new URL("api/v1/", document.baseURI);
const KEY = "quipu token";
const PATIENCE = 120; // seconds that a memory may take to be loaded
export const notices = new EventTarget(); // "token": the server wants one; "loading", "loaded": a memory's models

export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
  // From the fragment of the address, which no server sees, and out of the address bar.
  take() {
    const given = new URLSearchParams(location.hash.slice(1)).get("token");
    if (given === null) return;
    token.set(given.trim());
    history.replaceState(null, "", location.pathname + location.search);
  },
};

export class Problem extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

const rest = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

async function request(path, { method = "GET", query = {}, json, body, signal } = {}) {
  const address = new URL(path.map(encodeURIComponent).join("/"), BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined) address.searchParams.set(name, value);
  }
  const headers = {};
  if (token.get()) headers.authorization = `Bearer ${token.get()}`;
  if (json !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(address, { method, headers, signal, body: json === undefined ? body : JSON.stringify(json) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "unreachable", "The server cannot be reached.");
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  const problem = new Problem(response.status, said.code ?? "", said.detail ?? `The server answered ${response.status}.`);
  if (problem.status === 401) notices.dispatchEvent(new Event("token"));
  throw problem;
}

// What the server answers, as JSON. `path` is a list of parts. A memory that is being loaded is waited for.
export async function call(path, options = {}) {
  for (let waited = 0; ; waited += 1) {
    try {
      const response = await request(path, options);
      if (waited) notices.dispatchEvent(new Event("loaded"));
      return await response.json();
    } catch (error) {
      if (error.code !== "not_ready" || waited >= PATIENCE) throw error;
      notices.dispatchEvent(new Event("loading"));
      await rest(1);
    }
  }
}

// The states of a job, until it ends. EventSource sends no token, so the stream is read here.
export async function* follow(job) {
  const response = await request(["jobs", job, "events"]);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    const events = buffer.split("\n\n");
    buffer = events.pop();
    for (const event of events) {
      const data = event.split("\n").find((line) => line.startsWith("data: "));
      if (data) yield JSON.parse(data.slice(6));
    }
  }
}
