import { LocalSignals } from "../../core/partition/local-signals.ts";
import type { Signals } from "../../core/partition/ports.ts";
import type { HostKind } from "./host-capabilities.ts";

/** What the runner of a hub says of itself. */
export interface RunnerInfo {
  /** Names the context. */
  readonly contextId: string;
  readonly epoch: number;
  /** The app's version, as its code said when the hub was opened. */
  readonly buildId: string;
  /** Of two builds, the one with the higher order is the newer. */
  readonly buildOrder: number;
  /** Where it lives. Absent: it is of a version that does not say. */
  readonly host?: HostKind;
  readonly orchestrators: readonly string[];
  readonly activities: readonly string[];
}

/** What the contexts of a hub tell each other. All of it may get lost: the database is the truth. */
export type HubMessage =
  | { readonly type: "appended"; readonly instanceId: string; readonly replaced: boolean }
  | { readonly type: "changed"; readonly instanceIds: readonly string[] }
  | { readonly type: "ping" }
  | { readonly type: "runner"; readonly runner: RunnerInfo }
  | { readonly type: "hand-over"; readonly to: string; readonly contextId: string; readonly buildOrder: number };

/** For how long a context that was heard counts as there, in ms: hidden ones may speak up only once a minute. */
const COMPANY_MS = 150_000;

/** News by BroadcastChannel to other contexts, and directly within this one. */
export class ChannelSignals implements Signals {
  readonly #local = new LocalSignals();
  readonly #name: string;
  readonly #listeners = new Set<(message: HubMessage) => void>();
  readonly #anyChange = new Set<(instanceId: string | undefined) => void>();
  #channel: BroadcastChannel | undefined;
  #changed = new Set<string>();
  #heardMs = Number.NEGATIVE_INFINITY;

  constructor(name: string) {
    this.#name = name;
  }

  /** Opens the channel. Without it, what a hub hears comes late, by its own looks at the database. */
  open(): void {
    if (this.#channel !== undefined || typeof BroadcastChannel === "undefined") return;
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }: MessageEvent<HubMessage>) => this.#hear(data);
  }

  /** Closes the channel: a page that listens to one cannot sleep in the back/forward cache. */
  close(): void {
    this.#channel?.close();
    this.#channel = undefined;
  }

  appended(instanceId: string, replaced: boolean): void {
    this.#local.appended(instanceId, replaced);
    this.send({ type: "appended", instanceId, replaced });
  }

  /** Has the owner in this context look at an inbox. */
  look(instanceId: string): void {
    this.#local.appended(instanceId, false);
  }

  onAppended(listener: (instanceId: string, replaced: boolean) => void): () => void {
    return this.#local.onAppended(listener);
  }

  changed(instanceId: string): void {
    this.#local.changed(instanceId);
    // Alone, nobody needs to be told: who comes later asks first, and goes on asking.
    if (this.#channel === undefined || Date.now() - this.#heardMs > COMPANY_MS) return;
    if (this.#changed.size === 0) queueMicrotask(() => this.#flush());
    this.#changed.add(instanceId);
  }

  /** Anything may have changed: who waits for something looks again. */
  anyChanged(): void {
    for (const listener of [...this.#anyChange]) listener(undefined);
  }

  onChanged(listener: (instanceId: string | undefined) => void): () => void {
    this.#anyChange.add(listener);
    const stop = this.#local.onChanged(listener);
    return () => {
      stop();
      this.#anyChange.delete(listener);
    };
  }

  /** Whether somebody waits for a change. */
  get isWatched(): boolean {
    return this.#anyChange.size > 0;
  }

  /** Tells the other contexts. */
  send(message: HubMessage): void {
    this.#channel?.postMessage(message);
  }

  /** Listens to what other contexts say of themselves. */
  onMessage(listener: (message: HubMessage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #flush(): void {
    const instanceIds = [...this.#changed];
    this.#changed = new Set();
    this.send({ type: "changed", instanceIds });
  }

  #hear(message: HubMessage): void {
    this.#heardMs = Date.now();
    if (message.type === "appended") this.#local.appended(message.instanceId, message.replaced);
    else if (message.type === "changed") for (const instanceId of message.instanceIds) this.#local.changed(instanceId);
    for (const listener of [...this.#listeners]) listener(message);
  }
}
