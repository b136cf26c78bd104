import { AbortedError, NonDeterminismError } from "../errors.ts";
import type { ResultKind } from "../history/dedup.ts";
import type { OrchestratorAnswer } from "../history/orchestrator-answer.ts";
import type { ExecutionStartedEvent, HistoryEvent } from "../protocol/gen/perdura/model/v1/history_pb.ts";
import { timestampToMs } from "../protocol/timestamp.ts";
import type { OrchestratorFunction } from "./context.ts";
import { drive } from "./driver.ts";
import { completionOf, type Ending, identityOfEnding } from "./ending.ts";
import { failureDetailsFromMessage, failureDetailsOf } from "./failure-details.ts";
import { LiveContext } from "./live-context.ts";
import { OrchestrationScope, type ScopeOptions } from "./orchestration-scope.ts";
import type { WorkOutcome } from "./pending-results.ts";
import { identityOfEvent } from "./recorded-action.ts";
import type { Settle } from "./settle.ts";
import type { RecordedAction } from "./turn-recorder.ts";

/** What a live orchestrator is made of. */
export interface LiveOrchestratorOptions extends ScopeOptions {
  readonly start: ExecutionStartedEvent;
  readonly fn: OrchestratorFunction<never, unknown>;
  readonly settle: Settle;
}

/**
 * One running orchestrator. It is fed history events in order, one at a time, and lets the code come to rest before the next,
 * so that replay interleaves as the first run did. What the code asks for is compared with history, or becomes an answer.
 */
export class LiveOrchestrator {
  readonly #options: LiveOrchestratorOptions;
  readonly #scope: OrchestrationScope;
  #turn = 0;
  #started = false;
  #style: "sync" | "async" = "sync";
  #suspended = false;
  /** What arrived while suspended. */
  #held: HistoryEvent[] = [];
  #ending: Ending | undefined;
  /** A normal end that a termination lost against is told also while suspended. */
  #mustTell = false;
  #isOver = false;
  /** One above the highest id in history: a completion after a divergence must not take an id that is taken. */
  #beyondHistory = 0;

  constructor(options: LiveOrchestratorOptions) {
    this.#options = options;
    this.#scope = new OrchestrationScope(options);
  }

  /** Whether the orchestration has ended and its answer has said so: nothing is to be kept of it. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Replays the committed events of the generation. */
  async replay(events: readonly HistoryEvent[], signal?: AbortSignal): Promise<void> {
    this.#scope.isReplaying = true;
    this.#scope.open();
    try {
      let recorded: RecordedAction[] = [];
      for (const [eventNumber, event] of events.entries()) {
        const identity = identityOfEvent(event);
        if (identity !== undefined) {
          this.#beyondHistory = Math.max(this.#beyondHistory, identity.id + 1);
          recorded.push({ ...identity, eventNumber });
          continue;
        }
        if (event.eventType.case === "orchestratorStarted") {
          this.#endRecordedTurn(recorded, eventNumber);
          recorded = [];
          this.#turn++;
        }
        this.#feed(event);
        // Only what moved code needs a hop: a replay of events that nobody awaits costs none.
        if (this.#isMoving) await this.#rest(signal);
      }
      this.#endRecordedTurn(recorded, events.length);
    } finally {
      this.#scope.isReplaying = false;
      this.#scope.close();
    }
  }

  /** Runs a turn on its new events and answers what the code asks for. */
  async run(newEvents: readonly HistoryEvent[], signal?: AbortSignal): Promise<OrchestratorAnswer> {
    this.#scope.open();
    this.#turn++;
    try {
      for (const event of newEvents) {
        this.#feed(event);
        if (this.#isMoving) await this.#rest(signal);
      }
      return this.#answer();
    } finally {
      this.#scope.close();
    }
  }

  /** Ends the orchestration with a divergence, unless it has ended. */
  diverge(error: NonDeterminismError): void {
    // The frames are the engine's: they say nothing, and differ from run to run.
    const { stackTrace: _, ...failure } = failureDetailsOf(error);
    this.#end({ how: "diverged", failure }, Math.max(this.#scope.nextId, this.#beyondHistory));
  }

  get #isMoving(): boolean {
    return this.#scope.codeMoved || (this.#held.length > 0 && !this.#suspended);
  }

  /** Lets the code come to rest, and feeds what was held back during a suspension that is over. */
  async #rest(signal: AbortSignal | undefined): Promise<void> {
    if (this.#scope.codeMoved) await this.#settle(signal);
    if (this.#suspended || this.#held.length === 0) return;
    const held = this.#held;
    this.#held = [];
    for (const event of held) {
      this.#feed(event);
      if (this.#scope.codeMoved) await this.#settle(signal);
    }
  }

  /** At rest, an async orchestrator has ended, or waits for durable work, or has gone astray. */
  async #settle(signal: AbortSignal | undefined): Promise<void> {
    await this.#options.settle();
    // What moved during the hop has been drained by it.
    this.#scope.codeMoved = false;
    if (signal?.aborted === true) throw new AbortedError("the turn was aborted", { cause: signal.reason });
    if (this.#style === "async" && this.#ending === undefined && !this.#scope.isWaiting) this.diverge(foreignAwait());
  }

  #feed(event: HistoryEvent): void {
    const { case: kind, value } = event.eventType;
    if (this.#ending?.how === "terminated") return;
    if (kind === "executionTerminated") {
      this.#terminate(value.input);
      return;
    }
    if (this.#ending?.how === "diverged") return;
    if (kind === "executionResumed") {
      this.#suspended = false;
      return;
    }
    if (kind === "executionSuspended") {
      this.#suspended = true;
      return;
    }
    if (this.#suspended) {
      this.#held.push(event);
      return;
    }
    switch (kind) {
      case "orchestratorStarted":
        // Turn time never goes backwards, also where a host's clock did.
        if (event.timestamp !== undefined) {
          this.#scope.nowMs = Math.max(this.#scope.nowMs, timestampToMs(event.timestamp));
        }
        return;
      case "executionStarted":
        this.#start(value);
        return;
      case "eventRaised":
        if (this.#ending === undefined) this.#scope.events.raise(value.name, value.input, event);
        else this.#scope.events.keep(value.name, value.input, event);
        return;
      case "taskCompleted":
        this.#resolve("task", value.taskScheduledId, { ok: true, result: value.result });
        return;
      case "taskFailed":
        this.#resolve("task", value.taskScheduledId, failureOf(value));
        return;
      case "subOrchestrationInstanceCompleted":
        this.#resolve("child", value.taskScheduledId, { ok: true, result: value.result });
        return;
      case "subOrchestrationInstanceFailed":
        this.#resolve("child", value.taskScheduledId, failureOf(value));
        return;
      case "timerFired":
        this.#resolve("timer", value.timerId, { ok: true, result: undefined });
        return;
      case "orchestratorCompleted":
      case "executionStalled":
      case "executionRewound":
      case "eventSent":
        return;
      default:
        if (this.#scope.isReplaying) return;
        this.#options.logger.warn(`'${this.#options.instanceId}' skips an event of an unknown kind: ${kind ?? "none"}`);
    }
  }

  #resolve(kind: ResultKind, id: number, outcome: WorkOutcome): void {
    // Once the code has ended nothing moves it any more.
    if (this.#ending === undefined) this.#scope.results.resolve(kind, id, outcome, this.#scope.nextId);
  }

  #start(start: ExecutionStartedEvent): void {
    if (this.#started) return;
    this.#started = true;
    const { fn } = this.#options;
    let input: unknown;
    try {
      input = this.#scope.payloads.fromText(start.input, `the input of orchestrator '${start.name}'`);
    } catch (error) {
      this.#failed(error);
      return;
    }
    const context = new LiveContext(this.#scope, start, input);
    this.#style = drive(() => fn(context as never, input as never), {
      returned: (value) => this.#atEnd("returning", () => this.#returned(value, start.name)),
      threw: (error) => this.#atEnd("throwing", () => this.#failed(error)),
    });
    if (this.#style === "async") this.#scope.onCodeMoved();
  }

  /** An async orchestrator can also end outside its turn, after it awaited something foreign. */
  #atEnd(what: string, end: () => void): void {
    if (this.#ending !== undefined) return;
    if (this.#scope.isOpen) end();
    else this.#scope.outsideTurn(what);
  }

  #returned(value: unknown, name: string): void {
    const { continueAs } = this.#scope;
    if (continueAs !== undefined) {
      this.#end({ how: "continued", ...continueAs });
      return;
    }
    try {
      const result = this.#scope.payloads.toText(value, `the output of orchestrator '${name}'`);
      this.#end({ how: "returned", result });
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    // A divergence that went through the user's code is no failure of its own.
    if (error instanceof NonDeterminismError) this.diverge(error);
    else this.#end({ how: "failed", failure: failureDetailsOf(error) });
  }

  /**
   * A termination is the last word of a turn: it beats continue-as-new and whatever the code would still do. Only an end of the
   * code's own that came before it in the same turn stands.
   */
  #terminate(result: string | undefined): void {
    const before = this.#ending;
    const stands = (before?.how === "returned" || before?.how === "failed") && before.turn === this.#turn;
    if (stands) this.#mustTell = true;
    else {
      this.#ending = undefined;
      this.#end({ how: "terminated", result }, before?.id);
    }
  }

  #end(ending: EndingFields, id: number = this.#scope.takeId()): void {
    if (this.#ending !== undefined) return;
    this.#ending = { id, turn: this.#turn, ...ending };
    this.#scope.end();
  }

  /** While suspended all that the code asked for before is kept back, but for an end that cannot wait. */
  get #isWithheld(): boolean {
    if (!this.#suspended || this.#mustTell) return false;
    return this.#ending?.how !== "terminated" && this.#ending?.how !== "diverged";
  }

  /** Compares a recorded turn with what the code asked for. After a termination nothing is compared. */
  #endRecordedTurn(recorded: readonly RecordedAction[], turnEnd: number): void {
    const ending = this.#ending;
    if (ending?.how === "terminated" || ending?.how === "diverged") return;
    const completion = ending === undefined ? undefined : identityOfEnding(ending);
    const error = this.#scope.recorder.compare(recorded, completion, this.#isWithheld, turnEnd);
    if (error !== undefined) {
      this.#ending = undefined;
      this.diverge(error);
      return;
    }
    // The turn told of its cancellations when it was live; a suspended one keeps them for the turn of the resume.
    if (!this.#isWithheld) this.#scope.takeCancelled();
  }

  #answer(): OrchestratorAnswer {
    const scope = this.#scope;
    this.#warnOfOrphans();
    const patches = scope.takeNewPatches();
    const base = {
      customStatus: scope.customStatus,
      eventWaits: this.#ending === undefined ? scope.events.waits() : [],
      ...(patches.length === 0 ? {} : { patches }),
    };
    if (this.#isWithheld) return { actions: [], ...base };
    const ending = this.#ending;
    const alone = ending?.how === "terminated" || ending?.how === "diverged";
    const actions = alone ? [] : [...scope.recorder.take()];
    if (ending !== undefined) {
      actions.push(completionOf(ending, () => scope.events.unconsumed()));
      this.#isOver = true;
    }
    const cancelled = scope.takeCancelled();
    return {
      actions,
      ...base,
      ...(cancelled.timers.length === 0 ? {} : { cancelledTimers: cancelled.timers }),
      ...(cancelled.tasks.length === 0 ? {} : { cancelledTasks: cancelled.tasks }),
    };
  }

  #warnOfOrphans(): void {
    const { orphans } = this.#scope.results;
    if (orphans.length === 0) return;
    this.#options.logger.warn(
      `'${this.#options.instanceId}' has results for work that it never asked for: ${orphans.join(", ")}`,
    );
  }
}

/** An {@link Ending} without what the orchestrator adds to it. */
type EndingFields = Ending extends infer E ? (E extends Ending ? Omit<E, "id" | "turn"> : never) : never;

function failureOf(event: { readonly failureDetails?: Parameters<typeof failureDetailsFromMessage>[0] }): WorkOutcome {
  return { ok: false, failure: failureDetailsFromMessage(event.failureDetails) };
}

function foreignAwait(): NonDeterminismError {
  return new NonDeterminismError(
    "the orchestrator awaited something that is not durable (fetch, setTimeout, another promise): move that into an activity and await its task",
  );
}
