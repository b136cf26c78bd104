import type { StorageError } from "../../core/errors.ts";
import type { Logger } from "../../core/hub/logger.ts";

/** What a hub tells of its own health. Every event is also a line in the log. */
export type HubEvent =
  /** This context became the runner, or is one no longer. */
  | { readonly type: "role"; readonly role: "runner" | "follower" }
  /** Another context keeps an old version of the database open. Show the message to the user. */
  | { readonly type: "blocked"; readonly error: StorageError }
  /** The connection broke and was opened anew. */
  | { readonly type: "healed"; readonly reopened: number; readonly cause: unknown }
  /** A write found no room. `purged` ended instances were deleted to make some. */
  | { readonly type: "quota"; readonly error: StorageError; readonly purged: number }
  /** The database that was here is gone. */
  | { readonly type: "lost"; readonly error: StorageError }
  /** Only memory is left: nothing survives this page. */
  | { readonly type: "not-durable"; readonly error: StorageError }
  /** The hub has closed by itself: a newer version of the app needs the database. */
  | { readonly type: "closed"; readonly error: StorageError }
  /** The page or worker was asleep for a while, and has looked at what fell due meanwhile. */
  | { readonly type: "resumed"; readonly asleepMs: number }
  /** The runner did not answer, and its right was taken from it. */
  | { readonly type: "stolen"; readonly silentMs: number }
  /** A newer version of the code asked for the right to run, and got it. */
  | { readonly type: "handed-over"; readonly to: string };

/** A hub's event of one type. */
export type HubEventOf<T extends HubEvent["type"]> = Extract<HubEvent, { readonly type: T }>;

const QUIET: ReadonlySet<HubEvent["type"]> = new Set(["role", "resumed", "handed-over", "healed"]);

/** Hands a hub's events to whoever listens. A listener that throws harms nobody. */
export class HubEvents {
  readonly #listeners = new Set<{ readonly type: string; readonly run: (event: HubEvent) => void }>();
  readonly #logger: Logger;
  /** Events of the opening, before anybody could listen; given to the first listener of their type. */
  #early: HubEvent[] = [];

  readonly #onEvent: ((event: HubEvent) => void) | undefined;

  /** @param onEvent hears every event. */
  constructor(logger: Logger, onEvent?: (event: HubEvent) => void) {
    this.#logger = logger;
    this.#onEvent = onEvent;
  }

  /** Listens to one type, from now on and to what the opening of the hub told of it. Returns the function that ends this. */
  on<T extends HubEvent["type"]>(type: T, listener: (event: HubEventOf<T>) => void): () => void {
    const entry = { type, run: listener as (event: HubEvent) => void };
    this.#listeners.add(entry);
    const early = this.#early.filter((event) => event.type === type);
    this.#early = this.#early.filter((event) => event.type !== type);
    for (const event of early) this.#tell(entry.run, event);
    return () => this.#listeners.delete(entry);
  }

  /** Tells of an event. */
  emit(event: HubEvent): void {
    if (QUIET.has(event.type)) this.#logger.info(`hub: ${event.type}`, event);
    else this.#logger.warn(`hub: ${"error" in event ? event.error.message : event.type}`);
    if (this.#onEvent !== undefined) this.#tell(this.#onEvent, event);
    const heard = [...this.#listeners].filter(({ type }) => type === event.type);
    if (heard.length === 0 && this.#early.length < 16) this.#early.push(event);
    for (const { run } of heard) this.#tell(run, event);
  }

  #tell(run: (event: HubEvent) => void, event: HubEvent): void {
    try {
      run(event);
    } catch (error) {
      this.#logger.error(`a listener for '${event.type}' threw`, error);
    }
  }
}
