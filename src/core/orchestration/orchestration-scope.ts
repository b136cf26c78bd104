import { NonDeterminismError, TaskCancelledError } from "../errors.ts";
import type { Logger } from "../hub/logger.ts";
import { createTimerAction } from "../protocol/actions.ts";
import type { TimerOriginInit } from "../protocol/events.ts";
import type { OrchestratorAction } from "../protocol/gen/perdura/model/v1/history_pb.ts";
import type { PayloadGate } from "./data-converter.ts";
import { DeterministicSource } from "./deterministic.ts";
import { MAX_TIME_MS } from "./duration.ts";
import { ExternalEvents } from "./external-events.ts";
import { PendingResults, type PendingWork } from "./pending-results.ts";
import type { ActionIdentity } from "./recorded-action.ts";
import { DurableTask, type TaskOwner } from "./task.ts";
import { TurnRecorder } from "./turn-recorder.ts";

/** A timer to set. */
export interface TimerSpec {
  /** Epoch ms; what lies beyond the last nameable moment is cut to it. */
  readonly fireAtMs: number;
  readonly name: string | undefined;
  readonly origin: () => TimerOriginInit;
  /** The attempt that a retry timer leads to. */
  readonly attempt?: number;
  onFired(): void;
}

/** What a scope is made of. */
export interface ScopeOptions {
  readonly instanceId: string;
  /** Seed of ids and random numbers: the execution id that the generation's history names. */
  readonly executionId: string;
  readonly payloads: PayloadGate;
  readonly logger: Logger;
  /** Patches that history has recorded. */
  readonly patches: ReadonlySet<string>;
  /** The code acted outside its turn. */
  onOutsideTurn(error: NonDeterminismError): void;
}

/**
 * The state of one running orchestration that its context, its tasks and its replay share: ids, pending work, events, time,
 * and whether the code may act.
 */
export class OrchestrationScope implements TaskOwner {
  readonly instanceId: string;
  readonly executionId: string;
  readonly payloads: PayloadGate;
  readonly logger: Logger;
  readonly results: PendingResults = new PendingResults();
  readonly events: ExternalEvents = new ExternalEvents();
  readonly recorder: TurnRecorder = new TurnRecorder();
  readonly source: DeterministicSource;
  /** Turn time, epoch ms. */
  nowMs = 0;
  isReplaying = false;
  /** The converted custom status. */
  customStatus: string | undefined;
  /** What the code asked to continue as, when it did. */
  continueAs: { readonly input: string | undefined; readonly keepEvents: boolean } | undefined;

  /** Promise callbacks were set off: code moves until the next settling is done. */
  codeMoved = false;

  readonly #options: ScopeOptions;
  readonly #patches = new Map<string, boolean>();
  #phase: "open" | "closed" | "ended" = "closed";
  #nextId = 0;
  #waitedFor = 0;
  #newPatches: string[] = [];
  #cancelledTimers: number[] = [];
  #cancelledTasks: number[] = [];

  constructor(options: ScopeOptions) {
    this.#options = options;
    this.instanceId = options.instanceId;
    this.executionId = options.executionId;
    this.payloads = options.payloads;
    this.logger = options.logger;
    this.source = new DeterministicSource(options.executionId);
  }

  /** The next action id. */
  get nextId(): number {
    return this.#nextId;
  }

  /** Hands out the next action id. */
  takeId(): number {
    return this.#nextId++;
  }

  /** Whether the code waits for durable work that is open. */
  get isWaiting(): boolean {
    return this.#waitedFor > 0;
  }

  /** Whether the turn is open. */
  get isOpen(): boolean {
    return this.#phase === "open";
  }

  /** Lets the code act: its turn begins. */
  open(): void {
    if (this.#phase === "closed") this.#phase = "open";
  }

  /** The turn is over. */
  close(): void {
    if (this.#phase === "open") this.#phase = "closed";
  }

  /** The code has returned, failed or been ended: nothing that it still does counts. */
  end(): void {
    this.#phase = "ended";
  }

  enter(what: string): boolean {
    if (this.#phase === "ended") {
      this.logger.warn(`${what} of '${this.instanceId}' has no effect: the orchestrator has ended`);
      return false;
    }
    if (this.#phase === "closed") throw this.outsideTurn(what);
    return true;
  }

  /** The error of code that acts outside its turn; the instance is told. */
  outsideTurn(what: string): NonDeterminismError {
    const error = new NonDeterminismError(
      `${what} happened outside the orchestrator's turn: it awaited something that is not durable (fetch, setTimeout, another promise). Move that into an activity`,
    );
    this.#options.onOutsideTurn(error);
    return error;
  }

  onSubscribed(): void {
    this.#waitedFor++;
  }

  onUnsubscribed(): void {
    this.#waitedFor--;
  }

  onCodeMoved(): void {
    this.codeMoved = true;
  }

  /**
   * Asks for an action.
   *
   * @param build makes it, when a live turn hands it out.
   * @param work waits for its result.
   */
  ask(identity: ActionIdentity, build: () => OrchestratorAction, work?: PendingWork): void {
    const early = work === undefined ? undefined : this.results.add(identity.id, work);
    this.recorder.record(identity, build, early !== undefined);
    if (early !== undefined) work?.settle(early);
  }

  /** Sets a timer; returns its id. */
  setTimer(spec: TimerSpec): number {
    const id = this.takeId();
    const { name, origin, attempt } = spec;
    const fireAt = Math.min(spec.fireAtMs, MAX_TIME_MS);
    this.ask(
      { kind: "timer", id, name: name ?? "" },
      () => createTimerAction(id, { fireAt, name, origin: origin(), attempt }),
      { kind: "timer", settle: () => spec.onFired() },
    );
    return id;
  }

  /** Drops a timer: it can no longer matter. */
  cancelTimer(id: number): void {
    this.results.drop(id);
    this.#cancelledTimers.push(id);
  }

  /** Drops an activity's attempt. */
  cancelActivity(id: number): void {
    this.results.drop(id);
    this.#cancelledTasks.push(id);
  }

  /** Hands out what was cancelled since the last turn that took actions. */
  takeCancelled(): { readonly timers: readonly number[]; readonly tasks: readonly number[] } {
    const cancelled = { timers: this.#cancelledTimers, tasks: this.#cancelledTasks };
    this.#cancelledTimers = [];
    this.#cancelledTasks = [];
    return cancelled;
  }

  /** Whether a patch applies: history recorded it, or it is asked for first beyond the end of history. */
  isPatched(name: string): boolean {
    const decided = this.#patches.get(name);
    if (decided !== undefined) return decided;
    const recorded = this.#options.patches.has(name);
    const applies = recorded || !this.isReplaying;
    if (applies && !recorded) this.#newPatches.push(name);
    this.#patches.set(name, applies);
    return applies;
  }

  /** Hands out the patches that were applied for the first time. */
  takeNewPatches(): readonly string[] {
    const patches = this.#newPatches;
    this.#newPatches = [];
    return patches;
  }

  /** A task that never ends: what an orchestrator gets that has ended and still asks. */
  inertTask<T>(): DurableTask<T> {
    return new DurableTask<T>(this, { durable: false });
  }

  /** The error of a task that its code cancelled. */
  cancelError(): TaskCancelledError {
    return new TaskCancelledError();
  }
}
