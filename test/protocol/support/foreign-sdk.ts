/**
 * SDKs that are not ours, behind one small interface, so that one set of scenarios is run with each. Their orchestrators are
 * written the same way: `async function*` with `yield`. Both keep their messages in one global namespace, so that no process
 * (and no test file) can have two of them.
 */
import type { DialectChoice } from "../../../src/connect/index.ts";

/** A task of any SDK: what `yield` takes. */
export type ForeignTask = object;

/** What the scenarios use of the context; both SDKs have it. */
export interface ForeignContext {
  readonly instanceId: string;
  readonly isReplaying: boolean;
  callActivity(name: string, input?: unknown, options?: unknown): ForeignTask;
  callSubOrchestrator(name: string, input?: unknown, idOrOptions?: unknown): ForeignTask;
  createTimer(seconds: number): ForeignTask;
  waitForExternalEvent(name: string): ForeignTask;
  continueAsNew(input: unknown, saveEvents: boolean): void;
  setCustomStatus(status: string): void;
}

/** An orchestrator as both SDKs take it. */
export type ForeignOrchestrator = (ctx: ForeignContext, input: never) => unknown;

/** A state as both SDKs give it. */
export interface ForeignState {
  readonly status: number;
  readonly input: string | undefined;
  readonly output: string | undefined;
  readonly customStatus: string | undefined;
  readonly failure: string | undefined;
}

export interface ForeignWorker {
  orchestrator(name: string, fn: ForeignOrchestrator): void;
  activity(name: string, fn: (ctx: unknown, input: never) => unknown): void;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface ForeignClient {
  start(name: string, input?: unknown, instanceId?: string, startAt?: Date): Promise<string>;
  state(instanceId: string): Promise<ForeignState | undefined>;
  started(instanceId: string): Promise<ForeignState | undefined>;
  completed(instanceId: string, timeoutSeconds?: number): Promise<ForeignState>;
  raise(instanceId: string, name: string, data?: unknown): Promise<void>;
  terminate(instanceId: string, output?: unknown): Promise<void>;
  suspend(instanceId: string): Promise<void>;
  resume(instanceId: string): Promise<void>;
  /** Returns how many were purged. */
  purge(instanceId: string): Promise<number>;
  stop(): Promise<void>;
}

export interface ForeignSdk {
  readonly name: string;
  readonly dialect: DialectChoice;
  /** The SDK itself takes falsy inputs and results for none (`input ? JSON.stringify(input) : undefined`). */
  readonly losesFalsy?: boolean;
  /** How the third parameter of `callSubOrchestrator` names the child. */
  childId(instanceId: string): unknown;
  whenAll(tasks: readonly ForeignTask[]): ForeignTask;
  whenAny(tasks: readonly ForeignTask[]): ForeignTask;
  worker(address: string): ForeignWorker;
  client(address: string): ForeignClient;
}

export interface WorkerLike {
  addNamedOrchestrator(name: string, fn: never): unknown;
  addNamedActivity(name: string, fn: never): unknown;
  start(): Promise<void>;
  stop(): Promise<void>;
}

interface StateLike {
  readonly runtimeStatus: number;
  readonly serializedInput?: string | undefined;
  readonly serializedOutput?: string | undefined;
  readonly serializedCustomStatus?: string | undefined;
  readonly failureDetails?: { readonly message: string } | undefined;
}

export interface ClientLike {
  scheduleNewOrchestration(name: string, input?: unknown, instanceId?: string, startAt?: Date): Promise<string>;
  getOrchestrationState(instanceId: string, fetchPayloads?: boolean): Promise<StateLike | undefined>;
  waitForOrchestrationStart(instanceId: string, fetch?: boolean, timeout?: number): Promise<StateLike | undefined>;
  waitForOrchestrationCompletion(instanceId: string, fetch?: boolean, timeout?: number): Promise<StateLike | undefined>;
  raiseOrchestrationEvent(instanceId: string, eventName: string, data?: unknown): Promise<void>;
  terminateOrchestration(instanceId: string, output?: unknown): Promise<void>;
  suspendOrchestration(instanceId: string): Promise<void>;
  resumeOrchestration(instanceId: string): Promise<void>;
  purgeOrchestration(instanceId: string): Promise<{ readonly deletedInstanceCount: number } | undefined>;
  stop(): Promise<void>;
}

/** Wraps a worker. */
export function workerOf(inner: WorkerLike): ForeignWorker {
  return {
    orchestrator: (name, fn) => void inner.addNamedOrchestrator(name, fn as never),
    activity: (name, fn) => void inner.addNamedActivity(name, fn as never),
    start: () => inner.start(),
    stop: () => inner.stop(),
  };
}

function stateOf(state: StateLike | undefined): ForeignState | undefined {
  return (
    state && {
      status: state.runtimeStatus,
      input: state.serializedInput,
      output: state.serializedOutput,
      customStatus: state.serializedCustomStatus,
      failure: state.failureDetails?.message,
    }
  );
}

/** Wraps a client. */
export function clientOf(inner: ClientLike): ForeignClient {
  return {
    start: (name, input, instanceId, startAt) => inner.scheduleNewOrchestration(name, input, instanceId, startAt),
    state: async (id) => stateOf(await inner.getOrchestrationState(id, true)),
    started: async (id) => stateOf(await inner.waitForOrchestrationStart(id, true, 20)),
    completed: async (id, timeout = 30) => {
      const state = stateOf(await inner.waitForOrchestrationCompletion(id, true, timeout));
      if (state === undefined) throw new Error(`there is no instance '${id}'`);
      return state;
    },
    raise: (id, name, data) => inner.raiseOrchestrationEvent(id, name, data),
    terminate: (id, output) => inner.terminateOrchestration(id, output),
    suspend: (id) => inner.suspendOrchestration(id),
    resume: (id) => inner.resumeOrchestration(id),
    purge: async (id) => (await inner.purgeOrchestration(id))?.deletedInstanceCount ?? -1,
    stop: () => inner.stop(),
  };
}
