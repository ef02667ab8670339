"use strict";
// Everything that comes from the server is set as text, never as markup.
const $ = (id) => document.getElementById(id);
const token = new URLSearchParams(location.hash.slice(1)).get("token");
const headers = token ? { Authorization: `Bearer ${token}` } : {};
let session = null;
let systems = [];
let page = 0;

function make(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

async function ask(path, body, method) {
  const options = { headers: { ...headers }, method: method || (body === undefined ? "GET" : "POST") };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await fetch(`api/${path}`, options);
  const type = response.headers.get("content-type") || "";
  const value = type.includes("json") ? await response.json() : await response.text();
  if (!response.ok) throw new Error(value.error || value || `status ${response.status}`);
  return value;
}

function showEvent(event, number) {
  $("idle").hidden = true;
  const role = event.agent.split("/").pop();
  const item = make("li", undefined, role);
  if (number) item.dataset.number = number;
  if (event.agent.split("/").length > 2) item.classList.add("worker");
  // What a statement rests on is for who wants to know.
  const lines = event.text.split("\n");
  const claims = lines.filter((line) => line.trimStart().startsWith("claim: ")).map((line) => line.trim().slice(7));
  const rest = claims.length ? lines.filter((line) => !line.trimStart().startsWith("claim: ")) : lines;
  item.append(make("span", role, "who"), document.createTextNode(` ${rest.join("\n")}`));
  if (claims.length) {
    const details = make("details");
    details.append(make("summary", `${claims.length} statements and what they rest on`), make("pre", claims.join("\n")));
    item.append(details);
  }
  if (event.kind === "tool_result") {
    const details = make("details");
    details.append(make("summary", "the whole result"), make("pre", JSON.stringify(event.payload.value, null, 1)));
    item.append(details);
  }
  const list = $("events");
  const atEnd = list.scrollTop + list.clientHeight + 60 > list.scrollHeight;
  list.append(item);
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function follow() {
  const suffix = token ? `?token=${encodeURIComponent(token)}` : "";
  const source = new EventSource(`api/sessions/${session}/events${suffix}`);
  source.addEventListener("trace", (message) => showEvent(JSON.parse(message.data), message.lastEventId));
  $("download").href = `api/sessions/${session}/trace${suffix}`;
  $("download").hidden = false;
}

async function begin() {
  const kept = sessionStorage.getItem("session");
  if (kept) {
    try {
      const known = await ask(`sessions/${kept}`);
      session = kept;
      for (const turn of known.turns) showTurn(turn.speaker, turn.text);
      $("hints").hidden = known.turns.length > 0;
      showState(known.state);
      follow();
      return;
    } catch { sessionStorage.removeItem("session"); }
  }
  session = (await ask("sessions", {})).id;
  sessionStorage.setItem("session", session);
  follow();
}

function showTurn(speaker, text, cards) {
  const item = make("li", undefined, speaker === "user" ? "turn-user" : "system");
  if (speaker === "user") item.append(make("div", text, "user"));
  else {
    // The list of films stands in the cards, if there are some.
    const lines = cards && cards.length > 1 ? text.split("\n").filter((line) => !/^\d+\. /.test(line)) : [text];
    item.append(make("p", lines.join("\n")));
  }
  if (cards && cards.length) item.append(evidence(cards));
  $("turns").append(item);
  // A long answer is read from its beginning.
  item.scrollIntoView({ block: item.offsetHeight > innerHeight / 2 ? "start" : "nearest" });
}

function evidence(cards) {
  const list = make("ol", undefined, "cards");
  cards.forEach((card, at) => {
    const item = make("li");
    const name = card.item.year ? `${card.item.title} (${card.item.year})` : card.item.title;
    item.append(make("strong", `${at + 1}. ${name}`), make("span", (card.item.genres || []).join(", "), "genres"));
    if (card.claims.length) {
      const details = make("details");
      details.append(make("summary", `Why: ${card.claims.length} pieces of evidence`));
      const reasons = make("ul");
      for (const claim of card.claims) {
        const reason = make("li", claim.text);
        reason.append(make("span", ` — ${claim.observation}${claim.pointer}`, "soft"));
        reasons.append(reason);
      }
      details.append(reasons);
      item.append(details);
    }
    const feedback = make("div", undefined, "feedback");
    for (const [label, text] of [["I like it", `I like "${card.item.title}"`], ["Not for me", `I don't like "${card.item.title}"`], ["Like this", `something like "${card.item.title}"`]]) {
      const button = make("button", label);
      button.type = "button";
      button.setAttribute("aria-label", `${label}: ${name}`);
      button.addEventListener("click", () => say(text));
      feedback.append(button);
    }
    item.append(feedback);
    list.append(item);
  });
  return list;
}

function showState(state) {
  const request = state.request;
  const parts = [];
  for (const [name, key] of [["likes", "liked"], ["dislikes", "disliked"]]) {
    if (request[key]) parts.push(`${request[key].length} ${name}`);
  }
  if (request.genres) parts.push(request.genres.join(", "));
  if (request.without_genres) parts.push(`no ${request.without_genres.join(", no ")}`);
  if (request.from_year || request.to_year) parts.push(`years ${request.from_year || "…"} to ${request.to_year || "…"}`);
  if (request.user) parts.push(`user ${request.user}`);
  $("known").textContent = parts.length ? `${parts.join("; ")}. Say "start over" to forget it.` : "Nothing yet.";
}

async function say(text) {
  if ($("send").disabled || !text.trim()) return;
  $("send").disabled = true;
  $("cancel").disabled = false;
  showTurn("user", text);
  $("hints").hidden = true;
  try {
    const reply = await ask(`sessions/${session}/messages`, { text, system: $("team").value });
    const answer = reply.halt ? `${reply.answer.value} (stopped: ${reply.halt.cause})` : reply.answer.value;
    showTurn("system", answer, reply.cards);
    showState(reply.state);
  } catch (error) {
    showTurn("system", `That failed: ${error.message}`);
  } finally {
    $("send").disabled = false;
    $("cancel").disabled = true;
    $("message").focus();
  }
}

function select(tab) {
  for (const name of ["chat", "samples"]) {
    const chosen = name === tab;
    $(`tab-${name}`).setAttribute("aria-selected", chosen);
    $(`tab-${name}`).tabIndex = chosen ? 0 : -1;
    $(name).hidden = !chosen;
  }
  if (tab === "samples") loadSamples().catch(fail);
}

function fail(error) { $("result").replaceChildren(make("p", `That failed: ${error.message}`)); }

function fits() {
  const task = $("task").value;
  const chosen = $("system").value;
  $("system").replaceChildren(...systems.filter((system) => system.tasks.includes(task)).map((system) => {
    const option = make("option", `${system.name}: ${system.about}`);
    option.value = system.name;
    return option;
  }));
  if ([...$("system").options].some((option) => option.value === chosen)) $("system").value = chosen;
  describe();
}

// The systems that hold dialogues; the choice outlives a reload.
function showTeams() {
  $("team").replaceChildren(...systems.filter((system) => system.tasks.includes("conversation")).map((system) => {
    const option = make("option", `${system.name}: ${system.about}`);
    option.value = system.name;
    return option;
  }));
  const kept = sessionStorage.getItem("team");
  if ([...$("team").options].some((option) => option.value === kept)) $("team").value = kept;
}

function describe() {
  const system = systems.find((known) => known.name === $("system").value);
  $("described").textContent = system ? system.described : "";
}

let samples = [];
async function loadSamples() {
  fits();
  const found = await ask(`samples/${$("task").value}/${page}`);
  samples = found.samples;
  $("sample").replaceChildren(...samples.map((sample) => {
    const option = make("option", sample.sample);
    option.value = sample.sample;
    return option;
  }));
  $("earlier").disabled = page === 0;
  $("later").disabled = (page + 1) * 20 >= found.total;
  showSample();
}

function name(card) { return `${card.id}: ${card.title}${card.year ? ` (${card.year})` : ""} ${(card.genres || []).join(", ")}`; }

function showSample() {
  const sample = samples.find((known) => known.sample === $("sample").value);
  $("result").replaceChildren();
  if (!sample) return $("shown").replaceChildren();
  const panel = make("div", undefined, "panel");
  const profile = Object.entries(sample.profile || {}).map(([key, value]) => `${key}: ${value}`).join("; ");
  panel.append(make("h2", `User ${sample.user}`), make("p", profile, "soft"));
  const list = (title, lines) => {
    const details = make("details");
    details.open = true;
    const items = make("ul");
    lines.forEach((line) => items.append(make("li", line)));
    details.append(make("summary", title), items);
    panel.append(details);
  };
  list("History", (sample.history || []).map((line) => `${name(line.item)} — ${line.rating}`));
  if (sample.item) list("Item", [name(sample.item) + (sample.rating ? ` — rated ${sample.rating}` : "")]);
  if (sample.candidates && sample.candidates.length) list("Candidates", sample.candidates.map(name));
  $("shown").replaceChildren(panel);
}

async function runSample() {
  $("run").disabled = true;
  try {
    const done = await ask("runs", { system: $("system").value, task: $("task").value, sample: $("sample").value });
    const panel = make("div", undefined, "panel");
    const answer = done.outcome.answer.value;
    panel.append(make("h2", "Answer"), make("p", Array.isArray(answer) ? answer.join(", ") : String(answer)));
    panel.append(make("p", `Truth: item ${done.truth.item}, rated ${done.truth.rating}. ${done.outcome.decisions} decisions, ${done.outcome.tool_calls} tool calls, ${done.outcome.supported} of ${(done.outcome.claims || []).length} claims supported.`, "soft"));
    $("result").replaceChildren(panel);
    $("events").replaceChildren();
    done.events.forEach((event) => showEvent(event));
  } catch (error) { fail(error); } finally { $("run").disabled = false; }
}

for (const text of ["I loved Alien and The Matrix", "a comedy from the 90s, no romance", "something like Inception", "why the first one?", "more"]) {
  const button = make("button", text);
  button.type = "button";
  button.addEventListener("click", () => say(text));
  $("hints").append(button);
}
$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("message").value;
  $("message").value = "";
  say(text);
});
$("cancel").addEventListener("click", () => ask(`sessions/${session}/cancel`, {}));
for (const tab of ["chat", "samples"]) {
  $(`tab-${tab}`).addEventListener("click", () => select(tab));
  $(`tab-${tab}`).addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = tab === "chat" ? "samples" : "chat";
    select(other);
    $(`tab-${other}`).focus();
  });
}
$("team").addEventListener("change", () => sessionStorage.setItem("team", $("team").value));
$("task").addEventListener("change", () => loadSamples().catch(fail));
$("system").addEventListener("change", describe);
$("sample").addEventListener("change", showSample);
$("earlier").addEventListener("click", () => { page -= 1; loadSamples().catch(fail); });
$("later").addEventListener("click", () => { page += 1; loadSamples().catch(fail); });
$("pick").addEventListener("submit", (event) => { event.preventDefault(); runSample(); });
(async () => {
  try {
    const health = await ask("health");
    $("about").textContent = `${health.data}: ${health.items} films, ${health.users} users. Decisions by: ${health.model}.`;
    systems = await ask("systems");
    showTeams();
    await begin();
    $("message").focus();
  } catch (error) { $("about").textContent = `No connection: ${error.message}`; }
})();
