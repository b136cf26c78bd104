import type { RerunRequest } from "../../core/hub/backend.ts";
import type { OrchestrationMetadata } from "../../core/hub/metadata.ts";
import type { InstanceQuery } from "../../core/hub/query.ts";
import type { DeliveryOutcome } from "../../core/partition/ports.ts";
import type { DispatcherRpc, TurnPart } from "./dispatcher-rpc.ts";
import type { EventPage } from "./event-page.ts";
import type { RpcAnswer } from "./rpc.ts";

/** How a start is to be accepted, as it travels to an object. */
export interface StartOptions {
  readonly reusePolicy?: Uint8Array;
  readonly idempotencyKey?: string;
}

/** What a long poll waits for. */
export type WatchUntil = "started" | "completed" | "changed";

/** What a long poll found. */
export interface Watched {
  readonly metadata: OrchestrationMetadata;
  /** Names this state; a poll for a change passes it back. */
  readonly revision: string;
  /** False when the time was up first. */
  readonly isReached: boolean;
}

/** Segments of a history, at most some megabytes of them. */
export interface HistoryPage {
  readonly segments: readonly Uint8Array[];
  /** The generation that they belong to: a reader that sees it change begins anew. */
  readonly executionId: string;
  /** The next segment, when there are more. */
  readonly next?: number;
}

/** Some of the history of a run that is cut from another one, as it travels between objects. */
export interface CutPage extends EventPage {
  readonly generation: number;
}

/** The methods of an orchestration's object. They are for {@link taskHubClient} and other objects; all payloads are bytes. */
export interface OrchestrationRpc {
  create(start: Uint8Array, options: StartOptions): Promise<RpcAnswer<void>>;
  addEvent(event: Uint8Array, idempotencyKey?: string): Promise<RpcAnswer<void>>;
  receive(envelopes: readonly Uint8Array[]): Promise<RpcAnswer<readonly DeliveryOutcome[]>>;
  metadata(fetchPayloads: boolean): Promise<RpcAnswer<OrchestrationMetadata>>;
  watch(until: WatchUntil, revision: string | undefined, timeoutMs: number): Promise<RpcAnswer<Watched>>;
  historyPage(from: number): Promise<RpcAnswer<HistoryPage>>;
  childrenOf(force: boolean): Promise<RpcAnswer<readonly string[]>>;
  purge(force: boolean, tellParent: boolean): Promise<RpcAnswer<void>>;
  rewind(reason: string | undefined): Promise<RpcAnswer<void>>;
  cut(request: RerunRequest, newInstanceId: string, from: number): Promise<RpcAnswer<CutPage>>;
  /** Fetches the run that the request asks for from its source, and begins it here. */
  adopt(request: RerunRequest): Promise<RpcAnswer<void>>;
  /** Events of a turn that the dispatcher has from here, as the executor sees them. */
  turnEvents(callId: string, part: TurnPart, from: number): Promise<RpcAnswer<EventPage>>;
  /** A worker that may have what the instance lacks has connected. */
  retryParked(): Promise<RpcAnswer<void>>;
}

/** A page of index entries. */
export interface IndexPage {
  /** Marshalled IndexEntry messages. */
  readonly entries: readonly Uint8Array[];
  readonly continuationToken?: string;
}

/** The methods of a hub's index object. */
export interface HubIndexRpc {
  /** The hub's current incarnation, and whether it was created. */
  hub(): Promise<RpcAnswer<{ readonly incarnation: number; readonly exists: boolean }>>;
  /** Returns false when it exists. */
  createHub(): Promise<RpcAnswer<boolean>>;
  /** Begins a new incarnation. Returns false when there is no hub. */
  deleteHub(): Promise<RpcAnswer<boolean>>;
  /** Stores an entry, unless the incarnation has ended: see the Index port. */
  publish(incarnation: number, entry: Uint8Array): Promise<RpcAnswer<number | undefined>>;
  query(query: InstanceQuery): Promise<RpcAnswer<IndexPage>>;
}

/** A stub of an object: its methods, called over RPC. */
export interface ObjectNamespace<Rpc> {
  idFromName(name: string): DurableObjectId;
  get(id: DurableObjectId): Rpc;
}

/** The namespace of the orchestrations' objects. */
export type OrchestrationNamespace = ObjectNamespace<OrchestrationRpc>;

/** The namespace of the hubs' index objects. */
export type HubIndexNamespace = ObjectNamespace<HubIndexRpc>;

/** The namespace of the hubs' dispatcher objects, which serve workers by `fetch`. */
export type DispatcherNamespace = ObjectNamespace<DispatcherRpc & { fetch(request: Request): Promise<Response> }>;

/** The bindings that a Worker with a task hub has in its environment. */
export interface TaskHubBindings {
  readonly ORCHESTRATIONS: DurableObjectNamespace;
  readonly HUB_INDEX: DurableObjectNamespace;
  /** Where remote workers connect. Without it everything runs in the orchestrations' objects. */
  readonly DISPATCHER?: DurableObjectNamespace;
}

/** The orchestrations' namespace of an environment, with its methods. */
export function orchestrationsOf(env: TaskHubBindings): OrchestrationNamespace {
  return env.ORCHESTRATIONS as unknown as OrchestrationNamespace;
}

/** The index's namespace of an environment, with its methods. */
export function hubIndexOf(env: TaskHubBindings): HubIndexNamespace {
  return env.HUB_INDEX as unknown as HubIndexNamespace;
}

/** The dispatchers' namespace of an environment, with its methods, where there is one. */
export function dispatchersOf(env: TaskHubBindings): DispatcherNamespace | undefined {
  return env.DISPATCHER as unknown as DispatcherNamespace | undefined;
}
