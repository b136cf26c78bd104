import { requestPersistence } from "perdura/indexeddb";
import { byId, setText } from "./dom.ts";
import type { PageHub } from "./hub.ts";

const EVERY_MS = 500;

/** Shows how the hub is: whether it lasts, who runs it, whether there is a network. */
export function showStatus({ hub, isRunner }: PageHub): void {
  const show = (id: string, text: string, look: string): void => {
    const chip = byId(id, HTMLLIElement);
    setText(chip, text);
    chip.dataset.look = look;
    chip.hidden = false;
  };
  const look = (): void => {
    const { durable, runner, full, reopened } = hub.status;
    show("durable", durable ? "kept in this browser" : "in memory only", durable ? "good" : "bad");
    const isHere = isRunner();
    const text = isHere
      ? "this tab runs the uploads"
      : runner === undefined
        ? "nobody runs yet"
        : "another tab runs them";
    show("role", text, isHere || runner !== undefined ? "good" : "calm");
    byId("role", HTMLLIElement).dataset.role = isHere ? "runner" : "follower";
    show("online", navigator.onLine ? "online" : "offline", navigator.onLine ? "good" : "warn");
    show("trouble", full ? "the disk is full" : `${reopened} broken connections healed`, full ? "bad" : "calm");
    byId("trouble", HTMLLIElement).hidden = !full && reopened === 0;
  };
  look();
  setInterval(look, EVERY_MS);
  window.addEventListener("online", look);
  window.addEventListener("offline", look);
  void offerPersistence();
}

/** Browsers may delete what a site keeps when the disk is full, unless they were asked not to. */
async function offerPersistence(): Promise<void> {
  const storage = navigator.storage as StorageManager | undefined;
  const button = byId("persist", HTMLButtonElement);
  if ((await storage?.persisted?.().catch(() => true)) !== false) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    const answer = await requestPersistence(60_000);
    button.hidden = answer === "granted";
    button.disabled = false;
    if (answer !== "granted") setText(button, "the browser may delete it when the disk is full");
  });
}
