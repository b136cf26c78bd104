/** What the other parts of the script build the page with. */
export const dom: string = String.raw`
const POLL_MS = 1000;
const ENDED = ["COMPLETED", "FAILED", "TERMINATED", "CANCELED"];
const LOOKS = { COMPLETED: "good", FAILED: "bad", TERMINATED: "calm", CANCELED: "calm", SUSPENDED: "warn", STALLED: "bad" };
const $ = (id) => document.getElementById(id);

function el(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (name === "class") node.className = value;
    else if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}
/** Touches the page only where something is new, so that focus, selection and screen readers are left in peace. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
const plural = (count, word) => count + " " + word + (count === 1 ? "" : "s");
function size(bytes) {
  if (bytes < 1000) return bytes + " B";
  return bytes < 1e6 ? (bytes / 1e3).toFixed(1) + " kB" : (bytes / 1e6).toFixed(1) + " MB";
}
const clock = (iso) => new Date(iso).toLocaleTimeString([], { hour12: false });
const exactClock = (iso) => clock(iso) + "." + String(new Date(iso).getMilliseconds()).padStart(3, "0");
const moment = (iso) => new Date(iso).toLocaleString([], { dateStyle: "medium", timeStyle: "medium", hour12: false });
function isToday(iso) {
  return new Date(iso).toDateString() === new Date().toDateString();
}
/** A sentence of the server, with times as people here write them. */
function localized(sentence) {
  const times = /\d{4}-\d\d-\d\dT[\d:.]+Z/g;
  return sentence.replace(times, (iso) => (isToday(iso) ? clock(iso) : moment(iso)));
}
function ago(iso) {
  const seconds = Math.max(0, Math.round((Date.now() - new Date(iso).getTime()) / 1000));
  if (seconds < 60) return seconds + " s ago";
  if (seconds < 3600) return Math.round(seconds / 60) + " min ago";
  return isToday(iso) ? clock(iso) : moment(iso);
}

async function call(method, path, body) {
  const init = { method, headers: {} };
  if (body instanceof FormData) init.body = body;
  else if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers["content-type"] = "application/json";
  }
  const response = await fetch(path, init);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error((answer.error && answer.error.message) || "the server answered " + response.status);
  return answer;
}
const pathOf = (id) => "/api/instances/" + encodeURIComponent(id);
`;
