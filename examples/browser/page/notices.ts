import type { HubEvent, TaskHub } from "perdura/indexeddb";
import { byId, make } from "./dom.ts";

/** Says what a person should know, once each; the newest last. */
export class Notices {
  readonly #list = byId("notices", HTMLUListElement);

  say(text: string, action?: { readonly label: string; readonly run: () => void }): void {
    const known = [...this.#list.children].find((notice) => notice.firstElementChild?.textContent === text);
    known?.remove();
    const notice = make("li", "notice");
    const button = make("button", "", action?.label ?? "Close");
    button.type = "button";
    button.addEventListener("click", () => {
      notice.remove();
      action?.run();
    });
    notice.append(make("span", "", text), button);
    this.#list.append(notice);
  }

  /** Says what went wrong. */
  trouble(error: unknown): void {
    this.say(error instanceof Error ? error.message : String(error));
  }

  /** Says what the hub tells of storage and tabs. */
  listen(hub: TaskHub): void {
    const types = ["blocked", "quota", "lost", "not-durable", "closed"] as const satisfies HubEvent["type"][];
    for (const type of types) hub.events.on(type, ({ error }) => this.trouble(error));
  }
}
