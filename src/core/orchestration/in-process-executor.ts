import { AbortedError, InvalidArgumentError, type NonDeterminismError, NotRegisteredError } from "../errors.ts";
import type { OrchestratorAnswer } from "../history/orchestrator-answer.ts";
import type { ActivityCall, Executor, OrchestratorTurn } from "../hub/executor.ts";
import { defaultLogger, type Logger } from "../hub/logger.ts";
import { DEFAULT_MAX_PAYLOAD_BYTES } from "../limits.ts";
import { completeOrchestrationAction } from "../protocol/actions.ts";
import {
  Dialect,
  type ExecutionStartedEvent,
  type HistoryEvent,
  OrchestrationStatus,
  Runner,
} from "../protocol/gen/perdura/model/v1/history_pb.ts";
import { ActivityRunner, hostTimers, type Timers } from "./activity-runner.ts";
import { type DataConverter, jsonDataConverter, PayloadGate } from "./data-converter.ts";
import { failureDetailsOf } from "./failure-details.ts";
import { LiveCache } from "./live-cache.ts";
import { LiveOrchestrator } from "./live-orchestrator.ts";
import { identityOfEvent } from "./recorded-action.ts";
import type { TaskRegistry } from "./registry.ts";
import { messageChannelSettle, type Settle } from "./settle.ts";

/** Options of an {@link InProcessExecutor}. */
export interface InProcessExecutorOptions {
  /** The code. */
  readonly registry: TaskRegistry;
  /** How async code is let come to rest; default {@link messageChannelSettle}, which is wrong inside workerd. */
  readonly settle?: Settle;
  /** How many live orchestrators are kept between turns; default 1000; 0 replays every turn. */
  readonly cacheSize?: number;
  /** Default JSON. */
  readonly converter?: DataConverter;
  /** The largest payload, in UTF-8 bytes; default 4 MiB. */
  readonly maxPayloadBytes?: number;
  readonly logger?: Logger;
  /**
   * What becomes of names that the registry does not know: `"park"` (default) leaves them until the code is there, `"fail"` fails
   * the orchestration or the activity, as the reference does.
   */
  readonly unregistered?: "park" | "fail";
  /** Timers for the attempts' time limits; default the host's. */
  readonly timers?: Timers;
  /** Epoch ms, to stamp results with; default the host's clock. */
  readonly now?: () => number;
  /**
   * An orchestrator acted outside its turn. The instance's next turn answers that it failed: whoever hears this should
   * see to it that there is one.
   */
  readonly onDivergence?: (instanceId: string) => void;
}

/** How many instances' divergences are remembered until their next turn. */
const MAX_DIVERGED = 10_000;

/**
 * Runs orchestrators and activities in this process.
 *
 * Orchestrators stay live between turns, and are then fed new events only; the others are replayed from their history. Either
 * way the answers are the same.
 */
export class InProcessExecutor implements Executor {
  readonly runner: Runner = Runner.IN_PROCESS;
  readonly dialect: Dialect = Dialect.UNSPECIFIED;
  readonly #registry: TaskRegistry;
  readonly #settle: Settle;
  readonly #payloads: PayloadGate;
  readonly #logger: Logger;
  readonly #unregistered: "park" | "fail";
  readonly #onDivergence: ((instanceId: string) => void) | undefined;
  readonly #cache: LiveCache;
  readonly #activities: ActivityRunner;
  /** Instances whose code acted outside its turn, cached or not, until their next turn. */
  readonly #diverged = new Map<string, { readonly executionId: string; readonly error: NonDeterminismError }>();
  readonly #inFlight = new Set<Promise<unknown>>();
  #stopped = false;

  /** @throws {@link InvalidArgumentError} for a limit that is negative or no whole number. */
  constructor(options: InProcessExecutorOptions) {
    const { cacheSize = 1000, maxPayloadBytes = DEFAULT_MAX_PAYLOAD_BYTES } = options;
    checkLimit("cacheSize", cacheSize);
    checkLimit("maxPayloadBytes", maxPayloadBytes);
    this.#registry = options.registry;
    this.#settle = options.settle ?? messageChannelSettle();
    this.#payloads = new PayloadGate(options.converter ?? jsonDataConverter, maxPayloadBytes);
    this.#logger = options.logger ?? defaultLogger();
    this.#unregistered = options.unregistered ?? "park";
    this.#onDivergence = options.onDivergence;
    this.#cache = new LiveCache(cacheSize);
    this.#activities = new ActivityRunner({
      registry: options.registry,
      payloads: this.#payloads,
      logger: this.#logger,
      timers: options.timers ?? hostTimers,
      now: options.now ?? Date.now,
      unregistered: this.#unregistered,
    });
  }

  /** @throws {@link AbortedError} when the turn's signal aborted, or after {@link shutdown}. */
  executeOrchestrator(turn: OrchestratorTurn): Promise<OrchestratorAnswer> {
    return this.#track(this.#runTurn(turn));
  }

  /** @throws {@link NotRegisteredError}, {@link AbortedError}: see {@link ActivityRunner.run}. */
  executeActivity(call: ActivityCall): Promise<HistoryEvent> {
    return this.#track(this.#activities.run(call));
  }

  release(instanceId: string): void {
    this.#cache.take(instanceId);
    this.#diverged.delete(instanceId);
  }

  releaseAll(): void {
    this.#cache.clear();
    this.#diverged.clear();
  }

  async shutdown(): Promise<void> {
    this.#stopped = true;
    this.#activities.stop();
    await Promise.allSettled(this.#inFlight);
    this.releaseAll();
  }

  async #runTurn(turn: OrchestratorTurn): Promise<OrchestratorAnswer> {
    if (this.#stopped) throw new AbortedError("the executor has shut down");
    if (turn.signal?.aborted === true) throw new AbortedError("the turn was aborted", { cause: turn.signal.reason });
    const { instanceId, executionId, oldEvents, newEvents, signal } = turn;
    const cached = this.#cache.take(instanceId);
    const fits = cached?.executionId === executionId && cached.seenEvents === oldEvents.length;
    const live = fits ? cached.live : await this.#coldStart(turn);
    if (!(live instanceof LiveOrchestrator)) return live;
    const diverged = this.#diverged.get(instanceId);
    this.#diverged.delete(instanceId);
    if (diverged?.executionId === executionId) live.diverge(diverged.error);

    const answer = await live.run(newEvents, signal);
    if (!live.isOver && !this.#stopped) {
      // Every action that an orchestrator asks for is recorded as one event.
      const seenEvents = oldEvents.length + newEvents.length + answer.actions.length;
      this.#cache.put(instanceId, { executionId, seenEvents, live });
    }
    return answer;
  }

  /** Makes a live orchestrator of the history, or the answer of a turn that cannot be run. */
  async #coldStart(turn: OrchestratorTurn): Promise<LiveOrchestrator | OrchestratorAnswer> {
    const history = turn.oldEvents.length === 0 ? [] : await turn.oldEvents.read();
    const start = startOf(history) ?? startOf(turn.newEvents);
    if (start === undefined) {
      this.#logger.warn(`'${turn.instanceId}' has a turn without a start: nothing can be run`);
      return { actions: [], customStatus: undefined };
    }
    const fn = this.#registry.orchestrator(start.name);
    if (fn === undefined) return this.#notRegistered(turn, start.name, history);
    const live = new LiveOrchestrator({
      instanceId: turn.instanceId,
      // A rerun's copied history names the execution whose ids and random numbers it contains.
      executionId: start.orchestrationInstance?.executionId || turn.executionId,
      start,
      fn,
      settle: this.#settle,
      payloads: this.#payloads,
      logger: this.#logger,
      patches: patchesOf(history),
      onOutsideTurn: (error) => this.#actedOutsideTurn(turn, error),
    });
    await live.replay(history, turn.signal);
    return live;
  }

  /** A name without code parks the turn, but a termination needs no code. */
  #notRegistered(turn: OrchestratorTurn, name: string, history: readonly HistoryEvent[]): OrchestratorAnswer {
    const error = new NotRegisteredError("orchestrator", name);
    const id = history.reduce((next, event) => Math.max(next, (identityOfEvent(event)?.id ?? -1) + 1), 0);
    for (const { eventType } of turn.newEvents) {
      if (eventType.case !== "executionTerminated") continue;
      const { input: result } = eventType.value;
      const action = completeOrchestrationAction(id, { status: OrchestrationStatus.TERMINATED, result });
      return { actions: [action], customStatus: undefined, eventWaits: [] };
    }
    if (this.#unregistered === "park") {
      return { actions: [], customStatus: undefined, parked: { code: error.code, message: error.message } };
    }
    const failureDetails = failureDetailsOf(error);
    const action = completeOrchestrationAction(id, { status: OrchestrationStatus.FAILED, failureDetails });
    return { actions: [action], customStatus: undefined, eventWaits: [] };
  }

  #actedOutsideTurn({ instanceId, executionId }: OrchestratorTurn, error: NonDeterminismError): void {
    if (this.#stopped || this.#diverged.has(instanceId)) return;
    this.#logger.error(`'${instanceId}': ${error.message}`);
    this.#diverged.set(instanceId, { executionId, error });
    for (const oldest of this.#diverged.keys()) {
      if (this.#diverged.size <= MAX_DIVERGED) break;
      this.#diverged.delete(oldest);
    }
    this.#onDivergence?.(instanceId);
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#inFlight.add(work);
    const done = (): void => {
      this.#inFlight.delete(work);
    };
    work.then(done, done);
    return work;
  }
}

function startOf(events: readonly HistoryEvent[]): ExecutionStartedEvent | undefined {
  for (const { eventType } of events) if (eventType.case === "executionStarted") return eventType.value;
  return undefined;
}

function patchesOf(events: readonly HistoryEvent[]): ReadonlySet<string> {
  const patches = new Set<string>();
  for (const { eventType } of events) {
    if (eventType.case !== "orchestratorStarted") continue;
    for (const patch of eventType.value.version?.patches ?? []) patches.add(patch);
  }
  return patches;
}

function checkLimit(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new InvalidArgumentError(`${name} is ${value}: pass a whole number from 0`);
  }
}
