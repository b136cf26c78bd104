/** A card for each instance: what it shows, and its buttons. */
export const cards: string = `
const cards = new Map();

function announce(text) {
  setText($("announce"), text);
}

async function confirmed(title, text, verb) {
  const dialog = $("confirm");
  setText($("confirm-title"), title);
  setText($("confirm-text"), text);
  setText($("confirm-yes"), verb);
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  return dialog.returnValue === "yes";
}

const ACTIONS = [
  { verb: "Approve", path: "approve", can: (it) => it.isOpen && it.isPublication && it.awaitsApproval, named: true },
  { verb: "Reject", path: "reject", can: (it) => it.isOpen && it.isPublication && it.awaitsApproval, named: true },
  { verb: "Suspend", path: "suspend", can: (it) => it.isOpen && it.status !== "SUSPENDED" },
  { verb: "Resume", path: "resume", can: (it) => it.status === "SUSPENDED" || it.status === "STALLED" },
  {
    verb: "Terminate",
    path: "terminate",
    can: (it) => it.isOpen,
    risk: "It ends at once, as it is, and its sub-orchestrations with it. Its files are kept until you delete it.",
  },
];
const RESTART = { verb: "Restart", path: "restart", can: (it) => !it.isOpen && it.isPublication && !it.refused };
const DELETE = {
  verb: "Delete",
  can: (it) => !it.isOpen,
  risk: "Its history, its manifest and its files are deleted for good.",
};

function newCard(id) {
  const card = { id, isExpanded: false };
  card.pill = el("span", { class: "pill" });
  card.kind = el("span", { class: "kind" });
  card.when = el("time", { class: "when" });
  card.sentence = el("p", { class: "sentence" });
  card.bar = el("progress", { "aria-label": "files processed" });
  card.count = el("span");
  card.progress = el("div", { class: "progress" }, card.bar, card.count);
  card.trouble = el("p", { class: "trouble", role: "alert" });
  card.buttons = [...ACTIONS, RESTART, DELETE].map((action) => {
    const button = el("button", { type: "button", textContent: action.verb, "aria-label": action.verb + " " + id });
    if (action.risk) button.className = "danger";
    if (action.path === "approve") button.className = "primary";
    button.addEventListener("click", () => act(card, action));
    return { action, button };
  });
  card.more = el("button", { type: "button", class: "more", textContent: "Details", "aria-expanded": "false" });
  card.more.setAttribute("aria-label", "Details of " + id);
  card.details = el("div", { class: "details", hidden: true });
  card.more.addEventListener("click", () => toggle(card));
  card.node = el(
    "li",
    { class: "card" },
    el(
      "div",
      { class: "head" },
      card.pill,
      el("span", { class: "id", textContent: id }),
      el("span", { class: "meta" }, card.kind, card.when),
    ),
    card.sentence,
    card.progress,
    card.trouble,
    el("div", { class: "actions" }, ...card.buttons.map(({ button }) => button), card.more),
    card.details,
  );
  return card;
}

async function act(card, action) {
  const { id } = card;
  if (action.risk && !(await confirmed(action.verb + " this instance?", id + ": " + action.risk, action.verb))) return;
  setText(card.trouble, "");
  const by = $("name").value.trim();
  try {
    if (action === DELETE) {
      await call("DELETE", pathOf(id));
      announce(id + " is deleted");
    } else await call("POST", pathOf(id) + "/" + action.path, action.named && by !== "" ? { by } : {});
  } catch (error) {
    setText(card.trouble, action.verb + " did not work: " + error.message);
  }
  poll();
}

function update(card, data) {
  const { runtimeStatus: status, customStatus, waitingOn } = data;
  const phase = (customStatus && customStatus.phase) || "";
  const isOpen = !ENDED.includes(status);
  const isPublication = data.name === "publish";
  const awaitsApproval = waitingOn.events.some(({ name }) => name.toLowerCase() === "approval");
  const refused = phase === "rejected" || phase === "expired";
  const shown = status === "COMPLETED" && isPublication && phase ? phase : status.toLowerCase();
  if (card.shown !== undefined && card.shown !== shown) announce(card.id + " is now " + shown);
  card.shown = shown;
  setText(card.pill, shown);
  card.pill.dataset.look = refused ? "calm" : LOOKS[status] || "busy";
  card.node.classList.toggle("ended", !isOpen);
  card.node.classList.toggle("child", data.parentInstanceId !== undefined);
  setText(card.kind, data.parentInstanceId ? data.name + ", part of " + data.parentInstanceId : data.name);
  setText(card.when, ago(data.createdAt));
  card.when.dateTime = data.createdAt;
  card.when.title = moment(data.createdAt);
  setText(card.sentence, sentenceOf(data, isOpen, phase));
  card.sentence.hidden = card.sentence.textContent === "";
  const total = (customStatus && customStatus.total) || 0;
  card.progress.hidden = !isOpen || total === 0;
  if (!card.progress.hidden) {
    card.bar.max = total;
    card.bar.value = customStatus.done;
    setText(card.count, customStatus.done + " of " + plural(total, "file") + (phase ? ", " + phase : ""));
  }
  for (const { action, button } of card.buttons) {
    button.disabled = !action.can({ status, isOpen, isPublication, awaitsApproval, refused });
    const isForEnded = action === DELETE || action === RESTART;
    // What is deleted with its parent is not deleted by itself.
    const isParents = action === DELETE && data.parentInstanceId !== undefined;
    button.hidden = isForEnded === isOpen || isParents || (isForEnded ? button.disabled : action.named && !isPublication);
  }
  card.data = data;
}

function sentenceOf(data, isOpen, phase) {
  if (isOpen) return localized(data.waiting);
  if (data.runtimeStatus === "FAILED") return data.waiting;
  const total = data.customStatus && data.customStatus.total;
  if (phase === "published") return plural(total, "file") + " published";
  if (phase === "rejected") return "rejected; its files are deleted";
  if (phase === "expired") return "nobody approved in time; its files are deleted";
  return data.completedAt ? data.runtimeStatus.toLowerCase() + " " + ago(data.completedAt) : data.waiting;
}
`;
