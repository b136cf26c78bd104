import { orchestrationMetadataIsComplete } from "perdura";
import type { Upload, Uploads } from "../upload/uploads.ts";
import { make, setText } from "./dom.ts";
import { sentenceOf } from "./sentence.ts";

/** What a card's buttons do. */
type Verb = "confirm" | "cancel" | "stop" | "retry" | "remove";

const LABELS: Readonly<Record<Verb, string>> = {
  confirm: "Confirm",
  cancel: "Cancel",
  stop: "Stop now",
  retry: "Try again",
  remove: "Remove",
};

/** How a state looks: see the style sheet. */
type Look = "good" | "bad" | "warn" | "busy" | "calm";

/** One upload on the page. */
export class UploadCard {
  readonly element: HTMLLIElement = make("li", "card");
  readonly #name = make("span", "name");
  readonly #size = make("span", "size");
  readonly #pill = make("span", "pill");
  readonly #sentence = make("p", "sentence");
  readonly #bar = make("div", "bar");
  readonly #progress = make("progress", "");
  readonly #count = make("span", "count");
  readonly #hash = make("code", "hash");
  readonly #link = make("a", "button", "Download");
  readonly #buttons: Readonly<Record<Verb, HTMLButtonElement>>;

  constructor(id: string, uploads: Uploads, onTrouble: (error: unknown) => void, onDone: () => void) {
    const button = (verb: Verb): HTMLButtonElement => {
      const element = make("button", verb === "confirm" ? "primary" : verb === "stop" ? "danger" : "", LABELS[verb]);
      element.type = "button";
      element.dataset.verb = verb;
      element.addEventListener("click", () => {
        element.disabled = true;
        uploads[verb](id)
          .then(onDone, onTrouble)
          .finally(() => {
            element.disabled = false;
          });
      });
      return element;
    };
    this.#buttons = {
      confirm: button("confirm"),
      cancel: button("cancel"),
      stop: button("stop"),
      retry: button("retry"),
      remove: button("remove"),
    };
    this.element.dataset.upload = id;
    this.#link.href = `/api/transfers/${id}/content`;
    this.#link.download = "";
    const head = make("div", "head");
    head.append(this.#name, this.#size, this.#pill);
    this.#bar.append(this.#progress, this.#count);
    const actions = make("div", "actions");
    actions.append(this.#buttons.confirm, this.#link, ...Object.values(this.#buttons).slice(1));
    this.element.append(head, this.#sentence, this.#bar, this.#hash, actions);
  }

  /** Shows the upload as it is now. */
  show(upload: Upload, nowMs: number): void {
    const { request, progress, result, metadata } = upload;
    const { state, look } = stateOf(upload);
    const isOver = orchestrationMetadataIsComplete(metadata);
    const isCancelling = progress.phase === "cancelling";
    this.element.dataset.state = state;
    setText(this.#name, request.name);
    setText(this.#size, sizeOf(request.bytes));
    setText(this.#pill, state);
    this.#pill.dataset.look = look;
    setText(this.#sentence, sentenceOf(upload, nowMs));
    this.#progress.setAttribute("aria-label", `Sent of ${request.name}`);
    this.#progress.max = Math.max(1, progress.chunks);
    this.#progress.value = progress.sent;
    setText(
      this.#count,
      progress.chunks === 0
        ? ""
        : `${progress.sent} of ${progress.chunks} ${progress.chunks === 1 ? "chunk" : "chunks"}`,
    );
    setText(this.#hash, progress.sha256 === undefined ? "" : `sha256 ${progress.sha256}`);
    const shown: Readonly<Record<Verb, boolean>> = {
      confirm: metadata.waitingOn.events.some(({ name }) => name === "confirm"),
      cancel: !isOver && !isCancelling,
      stop: !isOver && isCancelling,
      retry: metadata.runtimeStatus === "FAILED",
      remove: isOver,
    };
    for (const [verb, button] of Object.entries(this.#buttons)) button.hidden = !shown[verb as Verb];
    this.#bar.hidden = isOver && metadata.runtimeStatus !== "FAILED";
    this.#link.hidden = result?.status !== "stored";
  }
}

function stateOf({ metadata, progress, result }: Upload): { readonly state: string; readonly look: Look } {
  const { runtimeStatus, waitingOn } = metadata;
  if (result?.status === "stored") return { state: "stored", look: "good" };
  if (result?.status === "cancelled") return { state: "cancelled", look: "calm" };
  if (runtimeStatus === "FAILED") return { state: "failed", look: "bad" };
  if (orchestrationMetadataIsComplete(metadata)) return { state: "stopped", look: "calm" };
  if (waitingOn.parked !== undefined || runtimeStatus === "SUSPENDED") return { state: "held", look: "warn" };
  if (waitingOn.activities.some(({ parkedReason }) => parkedReason !== undefined)) {
    return { state: "offline", look: "warn" };
  }
  if (waitingOn.timers.some(({ purpose }) => purpose === "activity-retry")) return { state: "retrying", look: "warn" };
  if (progress.phase === "awaiting confirmation") return { state: "to confirm", look: "warn" };
  return { state: progress.phase, look: "busy" };
}

function sizeOf(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1000).toFixed(1)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
