/** The list: asked for every second while the page is seen. */
export const list: string = `
/** Tokens of the pages that were turned to. */
const pages = [];
let next;
let timer;
let turn = 0;

function show(instances) {
  const list = $("list");
  const ids = new Set(instances.map(({ instanceId }) => instanceId));
  for (const [id, card] of cards) {
    if (ids.has(id)) continue;
    card.node.remove();
    cards.delete(id);
  }
  familiesTogether(instances).forEach((data, index) => {
    let card = cards.get(data.instanceId);
    if (card === undefined) {
      card = newCard(data.instanceId);
      cards.set(data.instanceId, card);
    }
    update(card, data);
    if (list.children[index] !== card.node) list.insertBefore(card.node, list.children[index] || null);
    if (card.isExpanded) refreshDetails(card);
  });
  $("empty").hidden = instances.length > 0;
  $("pages").hidden = pages.length === 0 && next === null;
  $("newer").disabled = pages.length === 0;
  $("older").disabled = next === null;
}

/** Newest first, children right below their parents. */
function familiesTogether(instances) {
  const isChild = ({ parentInstanceId }) => instances.some(({ instanceId }) => instanceId === parentInstanceId);
  const withChildren = (data) => [
    data,
    ...instances.filter(({ parentInstanceId }) => parentInstanceId === data.instanceId).flatMap(withChildren),
  ];
  return instances.filter((data) => !isChild(data)).flatMap(withChildren);
}

function live(state, text) {
  $("live").dataset.state = state;
  setText($("live-text"), text);
}

async function poll() {
  clearTimeout(timer);
  const mine = ++turn;
  if (document.hidden) {
    live("wait", "paused");
    return;
  }
  const query = new URLSearchParams();
  if ($("filter").value !== "") query.set("status", $("filter").value);
  if (pages.length > 0) query.set("continuation", pages.at(-1));
  try {
    const answer = await call("GET", "/api/instances?" + query);
    if (mine !== turn) return;
    next = answer.continuation;
    show(answer.instances);
    live("live", "live");
    setText($("list-trouble"), "");
  } catch (error) {
    if (mine !== turn) return;
    live("lost", "not connected");
    setText($("list-trouble"), "The server does not answer (" + error.message + "); trying again.");
  }
  timer = setTimeout(poll, POLL_MS);
}

document.addEventListener("visibilitychange", poll);
$("filter").addEventListener("change", () => {
  pages.length = 0;
  poll();
});
$("older").addEventListener("click", () => {
  pages.push(next);
  poll();
});
$("newer").addEventListener("click", () => {
  pages.pop();
  poll();
});
`;
