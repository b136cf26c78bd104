import type { Uploads } from "../upload/uploads.ts";
import { byId } from "./dom.ts";
import { UploadCard } from "./upload-card.ts";

const PAGE = 50;
/** Time between two looks at the hub, in ms: while something is underway, and otherwise. Other tabs act too. */
const BUSY_MS = 250;
const CALM_MS = 1000;

/** The list of uploads, newest first, looked at again and again while somebody can see it. */
export class UploadList {
  readonly #uploads: Uploads;
  readonly #onTrouble: (error: unknown) => void;
  readonly #list = byId("list", HTMLUListElement);
  readonly #empty = byId("empty", HTMLParagraphElement);
  readonly #more = byId("more", HTMLButtonElement);
  readonly #cards = new Map<string, UploadCard>();
  #limit = PAGE;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The look that is underway. */
  #looking: Promise<void> | undefined;

  constructor(uploads: Uploads, onTrouble: (error: unknown) => void) {
    this.#uploads = uploads;
    this.#onTrouble = onTrouble;
    this.#more.addEventListener("click", () => {
      this.#limit += PAGE;
      void this.look();
    });
    document.addEventListener("visibilitychange", () => void this.look());
  }

  /** Looks now, and from then on. */
  async look(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#looking;
    this.#looking = this.#show().finally(() => {
      this.#looking = undefined;
    });
    await this.#looking;
  }

  async #show(): Promise<void> {
    let delayMs = CALM_MS;
    try {
      const uploads = await this.#uploads.list(this.#limit);
      const nowMs = Date.now();
      for (const id of this.#cards.keys()) {
        if (uploads.some((upload) => upload.id === id)) continue;
        this.#cards.get(id)?.element.remove();
        this.#cards.delete(id);
      }
      for (const [at, upload] of uploads.entries()) {
        const card = this.#cardOf(upload.id);
        card.show(upload, nowMs);
        if (this.#list.children[at] !== card.element)
          this.#list.insertBefore(card.element, this.#list.children[at] ?? null);
        if (upload.metadata.completedAt === undefined) delayMs = BUSY_MS;
      }
      this.#empty.hidden = uploads.length > 0;
      this.#more.hidden = uploads.length < this.#limit;
    } catch (error) {
      this.#onTrouble(error);
    }
    clearTimeout(this.#timer);
    if (document.visibilityState === "visible") this.#timer = setTimeout(() => void this.look(), delayMs);
  }

  #cardOf(id: string): UploadCard {
    let card = this.#cards.get(id);
    if (card === undefined) {
      card = new UploadCard(id, this.#uploads, this.#onTrouble, () => void this.look());
      this.#cards.set(id, card);
    }
    return card;
  }
}
