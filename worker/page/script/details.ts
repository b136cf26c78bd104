/** What a card shows when it is opened: facts, files, history. */
export const details: string = `
function toggle(card) {
  card.isExpanded = !card.isExpanded;
  card.more.setAttribute("aria-expanded", String(card.isExpanded));
  card.details.hidden = !card.isExpanded;
  card.detailsKey = undefined;
  if (card.isExpanded) refreshDetails(card);
}

async function refreshDetails(card) {
  if (card.isLoading) return;
  const key = card.data.lastUpdatedAt + card.data.runtimeStatus + JSON.stringify(card.data.waitingOn);
  if (card.detailsKey === key) return;
  card.isLoading = true;
  try {
    const [data, history] = await Promise.all([call("GET", pathOf(card.id)), call("GET", pathOf(card.id) + "/history")]);
    showDetails(card, data, history.events);
    card.detailsKey = key;
  } catch (error) {
    card.details.replaceChildren(el("p", { class: "trouble", textContent: "No details: " + error.message }));
  }
  card.isLoading = false;
}

function showDetails(card, data, events) {
  const tops = [...card.details.querySelectorAll(".scroll")].map((node) => [node.dataset.name, node.scrollTop]);
  const sections = [factsOf(card, data)];
  const manifest = data.output && data.output.status === "published" ? data.output : undefined;
  if (manifest) sections.push(filesOf(card, manifest));
  sections.push(historyOf(events));
  card.details.replaceChildren(...sections);
  for (const [name, top] of tops) {
    const node = card.details.querySelector('[data-name="' + name + '"]');
    if (node) node.scrollTop = top;
  }
}

function factsOf(card, data) {
  const list = el("dl", { class: "facts" });
  const add = (term, value) => {
    if (value === undefined || value === "") return;
    list.append(el("dt", { textContent: term }), el("dd", {}, value));
  };
  add("Created", moment(data.createdAt));
  add("Changed", moment(data.lastUpdatedAt));
  if (data.completedAt) add("Ended", moment(data.completedAt));
  add("Execution", el("span", { class: "mono", textContent: data.executionId }));
  for (const activity of data.waitingOn.activities.slice(0, 8)) {
    add("Running", activity.name + ", attempt " + activity.attempt + ", since " + clock(activity.scheduledAt));
  }
  if (data.waitingOn.activities.length > 8) add("Running", data.waitingOn.activities.length - 8 + " more");
  for (const timer of data.waitingOn.timers) add("Timer", timer.purpose + " at " + moment(timer.fireAt));
  const out = data.output;
  if (out && out.approvedBy) add("Approved by", out.approvedBy);
  if (out && out.rejectedBy) add("Rejected by", out.rejectedBy + (out.reason ? ": " + out.reason : ""));
  if (data.failure) add("Failure", data.failure.errorType + ": " + data.failure.errorMessage);
  if (out && out.status === "published" && data.name === "publish") {
    const href = "/publications/" + encodeURIComponent(card.id) + "/manifest.json";
    add("Manifest", el("a", { href, textContent: "manifest.json" }));
  }
  return el("section", {}, el("h3", { textContent: "Facts" }), list);
}

/** A path that may break after its slashes. */
function breakable(path) {
  const parts = path.split("/");
  return parts.flatMap((part, at) => (at === parts.length - 1 ? [part] : [part + "/", el("wbr")]));
}

function filesOf(card, manifest) {
  const base = "/publications/" + encodeURIComponent(manifest.publication) + "/files/";
  const rows = manifest.files.map((file) => {
    const href = base + file.path.split("/").map(encodeURIComponent).join("/");
    return el(
      "tr",
      {},
      el("td", { class: "text" }, el("a", { href }, ...breakable(file.path))),
      el("td", { class: "num", textContent: size(file.bytes) }),
      el("td", { class: "num wide", textContent: size(file.gzipBytes) }),
      el("td", { class: "hash", textContent: file.sha256.slice(0, 16) + "…", title: file.sha256 }),
    );
  });
  const { totals } = manifest;
  const title = plural(totals.files, "file") + ", " + size(totals.bytes) + ", compressed " + size(totals.gzipBytes);
  return el("section", {}, el("h3", { textContent: title }), table("files", ["File", "#Size", "#Gzip*", "SHA-256"], rows));
}

function historyOf(events) {
  const rows = events.map((event, index) =>
    el(
      "tr",
      {},
      el("td", { class: "num wide", textContent: String(index) }),
      el("td", { class: "time", textContent: event.timestamp ? exactClock(event.timestamp) : "" }),
      el("td", { textContent: wordsOf(event.type) }),
      el("td", { class: "text", textContent: textOf(event) }),
    ),
  );
  const title = "History, " + plural(events.length, "event");
  return el("section", {}, el("h3", { textContent: title }), table("history", ["#Nr*", "Time", "Event", "What"], rows));
}

/** A head with # has numbers below it; one with * is for wide windows only. */
function table(name, heads, rows) {
  const classOf = (head) => (head.startsWith("#") ? "num" : "") + (head.endsWith("*") ? " wide" : "");
  const cells = heads.map((head) =>
    el("th", { scope: "col", class: classOf(head), textContent: head.replace(/[#*]/g, "") }),
  );
  const scroll = el(
    "div",
    { class: "scroll", tabIndex: 0, role: "region", "aria-label": name },
    el("table", {}, el("thead", {}, el("tr", {}, ...cells)), el("tbody", {}, ...rows)),
  );
  scroll.dataset.name = name;
  return scroll;
}

const wordsOf = (type) => type.replace(/[A-Z]/g, (letter) => " " + letter.toLowerCase());
function short(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text === undefined ? "" : text.length > 140 ? text.slice(0, 139) + "…" : text;
}
/** The parts of an event that tell something, in a line. */
function textOf(event) {
  const about = event.taskScheduledId !== undefined ? "of #" + event.taskScheduledId : "";
  const id = event.eventId >= 0 ? "#" + event.eventId : "";
  const attempt = event.attempt > 1 ? "attempt " + event.attempt : "";
  const failure = event.failureDetails ? event.failureDetails.errorType + ": " + event.failureDetails.errorMessage : "";
  const until = event.fireAt && event.type === "timerCreated" ? "until " + exactClock(event.fireAt) : "";
  const timer = event.timerId !== undefined ? "of #" + event.timerId : "";
  const child = event.type === "subOrchestrationInstanceCreated" ? event.instanceId : "";
  const payload = event.input !== undefined ? short(event.input) : event.result !== undefined ? short(event.result) : "";
  const parts = [id, about, timer, event.name, child, attempt, until, failure, payload];
  return parts.filter((part) => part !== undefined && part !== "").join("  ");
}
`;
