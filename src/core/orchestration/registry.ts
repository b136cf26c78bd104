import { AlreadyRegisteredError, InvalidArgumentError } from "../errors.ts";
import type { ActivityFunction, ActivityReference, OrchestratorFunction, OrchestratorReference } from "./context.ts";
import type { RunWhen } from "./run-when.ts";

/** The two kinds of code that a registry holds. */
export type TaskKind = "orchestrator" | "activity";

/** Any reference, whatever its types: what {@link TaskRegistry.add} takes. */
export type AnyTaskReference = ActivityReference<never, unknown> | OrchestratorReference<never, unknown>;

/** The name under which a registry keeps its fallback: the code for every name that has none of its own. */
export const WILDCARD = "*";

/**
 * The code that a worker can run, by kind and name.
 *
 * @example
 * const registry = new TaskRegistry().add(charge, refund, checkout).addActivity("*", (ctx) => `no ${ctx.name} here`);
 */
export class TaskRegistry {
  readonly #orchestrators = new Map<string, OrchestratorFunction<never, unknown>>();
  readonly #activities = new Map<string, ActivityFunction<never, unknown>>();
  readonly #gates = new Map<string, RunWhen>();
  readonly #listeners = new Set<() => void>();

  /**
   * Adds references under their names: all, or none when one is refused.
   *
   * @throws {@link AlreadyRegisteredError} for a name that its kind has already.
   */
  add(...references: readonly AnyTaskReference[]): this {
    const seen = new Set<string>();
    if (references.some((reference) => reference === undefined || reference === null)) {
      throw new InvalidArgumentError("a reference is missing: is a module imported in a circle?");
    }
    for (const { kind, name } of references) {
      const key = `${kind}:${name}`;
      if (seen.has(key)) throw new AlreadyRegisteredError(kind, name);
      seen.add(key);
      this.#check(kind, name);
    }
    for (const reference of references) {
      if (reference.kind === "activity") {
        this.#activities.set(reference.name, reference.fn);
        if (reference.defaults.runWhen !== undefined) this.#gates.set(reference.name, reference.defaults.runWhen);
      } else this.#orchestrators.set(reference.name, reference.fn);
    }
    this.#notify();
    return this;
  }

  /**
   * Adds an orchestrator by name; `"*"` is the fallback for names that have none.
   *
   * @throws {@link AlreadyRegisteredError}, or {@link InvalidArgumentError} for an empty name.
   */
  addOrchestrator<I, O>(name: string, fn: OrchestratorFunction<I, O>): this {
    this.#check("orchestrator", name);
    this.#orchestrators.set(name, fn as OrchestratorFunction<never, unknown>);
    this.#notify();
    return this;
  }

  /**
   * Adds an activity by name; `"*"` is the fallback for names that have none.
   *
   * @throws {@link AlreadyRegisteredError}, or {@link InvalidArgumentError} for an empty name.
   */
  addActivity<I, O>(name: string, fn: ActivityFunction<I, O>, options: { readonly runWhen?: RunWhen } = {}): this {
    this.#check("activity", name);
    this.#activities.set(name, fn as ActivityFunction<never, unknown>);
    if (options.runWhen !== undefined) this.#gates.set(name, options.runWhen);
    this.#notify();
    return this;
  }

  /** The code for an orchestrator's name, or the fallback, or `undefined`. */
  orchestrator(name: string): OrchestratorFunction<never, unknown> | undefined {
    return this.#orchestrators.get(name) ?? this.#orchestrators.get(WILDCARD);
  }

  /** The code for an activity's name, or the fallback, or `undefined`. */
  activity(name: string): ActivityFunction<never, unknown> | undefined {
    return this.#activities.get(name) ?? this.#activities.get(WILDCARD);
  }

  /** When an activity may run; `undefined`: at any time. */
  gate(name: string): RunWhen | undefined {
    return this.#gates.get(this.#activities.has(name) ? name : WILDCARD);
  }

  /** Whether a name can be run here; the fallback counts. */
  has(kind: TaskKind, name: string): boolean {
    return (kind === "activity" ? this.activity(name) : this.orchestrator(name)) !== undefined;
  }

  /** The names of a kind, in the order in which they were added; the fallback is `"*"`. */
  names(kind: TaskKind): readonly string[] {
    return [...(kind === "activity" ? this.#activities : this.#orchestrators).keys()];
  }

  /**
   * Calls the listener whenever code was added, so that instances parked for want of it go on. Returns the function that
   * ends this.
   */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #check(kind: TaskKind, name: string): void {
    if (typeof name !== "string" || name === "") {
      throw new InvalidArgumentError(`an ${kind} has no name: register it under one`);
    }
    if ((kind === "activity" ? this.#activities : this.#orchestrators).has(name)) {
      throw new AlreadyRegisteredError(kind, name);
    }
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
