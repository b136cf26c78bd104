import { ActivityGatedError } from "../errors.ts";
import type { TaskRegistry } from "./registry.ts";

/**
 * When an activity may run: with a network, with somebody looking at the page, on a connection that is not to be spared, on a
 * device that is charging, or whenever a function says so. Where a host cannot tell, it may.
 */
export type RunWhen = NamedGate | (() => boolean | Promise<boolean>);

/** A gate that the host knows. */
export type NamedGate = "online" | "visible" | "unmetered" | "charging";

/** What a host knows of its surroundings. */
export interface GateKeeper {
  isOpen(gate: NamedGate): boolean;
}

/** How messages say what a closed gate waits for. */
const UNTIL: Readonly<Record<NamedGate, string>> = {
  online: "the host is online",
  visible: "the page is visible",
  unmetered: "the connection is not metered",
  charging: "the device is charging",
};

/** Looks at the gates of activities before they run. */
export class ActivityGates {
  readonly #registry: TaskRegistry;
  readonly #keeper: GateKeeper | undefined;
  readonly #closed = new Set<string>();

  constructor(registry: TaskRegistry, keeper: GateKeeper | undefined) {
    this.#registry = registry;
    this.#keeper = keeper;
  }

  /** Whether any activity was last found behind a closed gate. */
  get isAnyClosed(): boolean {
    return this.#closed.size > 0;
  }

  /** Lets the activity pass. @throws {@link ActivityGatedError} when its gate is closed. */
  async pass(name: string): Promise<void> {
    const gate = this.#registry.gate(name);
    if (gate === undefined) return;
    const isOpen = typeof gate === "function" ? await gate() : (this.#keeper?.isOpen(gate) ?? true);
    if (isOpen) {
      this.#closed.delete(name);
      return;
    }
    this.#closed.add(name);
    throw new ActivityGatedError(name, typeof gate === "function" ? "its own condition holds" : UNTIL[gate]);
  }
}
