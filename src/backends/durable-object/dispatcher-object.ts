import { DurableObject } from "cloudflare:workers";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { createConnectHandlers, type RouteOptions } from "../../connect/server/connect-executor.ts";
import { createSidecarFetch, type SidecarFetch } from "../../connect/server/fetch-handler.ts";
import { LocalDispatcher, type LocalDispatcherOptions } from "../../connect/server/local-dispatcher.ts";
import type { ActivityOrder, TurnOrder } from "../../connect/server/work-order.ts";
import { isPerduraError } from "../../core/errors.ts";
import { type HistoryView, historyOf } from "../../core/history/history-view.ts";
import { Limiter } from "../../core/hub/limiter.ts";
import { defaultLogger, type Logger } from "../../core/hub/logger.ts";
import {
  ActivityRequestSchema,
  ActivityResponseSchema,
  type HistoryEvent,
  OrchestratorResponseSchema,
} from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { unmarshalSegment } from "../../core/protocol/marshal.ts";
import { type OrchestrationNamespace, orchestrationsOf, type TaskHubBindings } from "./bindings.ts";
import {
  type ActivityMessage,
  type DispatcherRpc,
  parseDispatcherName,
  type TurnMessage,
  type TurnPart,
  type TurnReply,
} from "./dispatcher-rpc.ts";
import type { EventPage } from "./event-page.ts";
import { type LargeBytes, packBytes } from "./large-bytes.ts";
import { ParkedWork } from "./parked-work.ts";
import { RoutedHub } from "./routed-hub.ts";
import { answer, type RpcAnswer, unwrap } from "./rpc.ts";

/** How a hub's dispatcher object is made. */
export interface DispatcherObjectOptions
  extends Omit<RouteOptions, "shutdownSignal" | "pingAll">,
    Omit<LocalDispatcherOptions, "logger" | "onWorker"> {
  /** The hub's namespaces in the Worker's environment, where they are not called `ORCHESTRATIONS`, `HUB_INDEX` and `DISPATCHER`. */
  readonly bindings?: (env: unknown) => TaskHubBindings;
}

/** The class of a hub's dispatcher object. */
export type DispatcherObjectClass = new (
  ctx: DurableObjectState,
  env: TaskHubBindings,
) => DurableObject<TaskHubBindings> & DispatcherRpc;

/**
 * Makes the Durable Object class where remote workers' streams end: the orchestrations' objects bring it what their own Worker
 * has no code for, and it hands that out. Export it from the Worker under the name that wrangler.toml binds as `DISPATCHER`,
 * and let requests reach it by {@link taskHubRoutes}.
 *
 * It keeps orders and streams in memory only. When it dies, so do the streams, workers connect again, and the orchestrations'
 * objects dispatch what they had dispatched once more.
 *
 * @example
 * export const DispatcherObject = dispatcherObject();
 */
export function dispatcherObject(options: DispatcherObjectOptions = {}): DispatcherObjectClass {
  return class DispatcherObject extends DispatcherHost {
    constructor(ctx: DurableObjectState, env: TaskHubBindings) {
      super(ctx, env, options);
    }
  };
}

/** How long a stream may be silent here, in ms: that a worker has gone is seen only when it is sent something. */
const HEALTH_PING_MS = 10_000;

/** How long sending may take, in ms. A stream that nobody reads is not always cancelled: it just takes no more. */
const SEND_TIMEOUT_MS = 30_000;

/** The name of the mark that the hub's incarnation has ended. */
const RETIRED = "retired";

class DispatcherHost extends DurableObject<TaskHubBindings> implements DispatcherRpc {
  readonly #objects: OrchestrationNamespace;
  readonly #workers: LocalDispatcher;
  readonly #serve: SidecarFetch;
  readonly #parked: ParkedWork;
  readonly #calls = new Map<string, AbortController>();
  readonly #logger: Logger;

  constructor(ctx: DurableObjectState, env: TaskHubBindings, options: DispatcherObjectOptions) {
    super(ctx, env);
    const bindings = options.bindings === undefined ? env : options.bindings(env);
    this.#logger = options.logger ?? defaultLogger("warn");
    this.#objects = orchestrationsOf(bindings);
    this.#parked = new ParkedWork(ctx.storage);
    this.#workers = new LocalDispatcher({
      ...options,
      logger: this.#logger,
      onWorker: (stream) => {
        const senders = this.#parked.take((order) => stream.accepts(order));
        ctx.waitUntil(this.#retry(senders));
      },
    });
    const { hub } = parseDispatcherName(ctx.id.name ?? "");
    this.#serve = createSidecarFetch(
      createConnectHandlers(new RoutedHub(bindings, hub), this.#workers, {
        healthPingMs: HEALTH_PING_MS,
        sendTimeoutMs: SEND_TIMEOUT_MS,
        ...options,
        // Dapr's own workers come through a gateway, which keeps the pings to itself.
        pingAll: true,
        logger: this.#logger,
      }),
    );
    if (ctx.storage.kv.get(RETIRED) === true) this.#workers.stop();
  }

  /** Serves workers: their streams, and their answers. */
  override async fetch(request: Request): Promise<Response> {
    return (await this.#serve(request)) ?? new Response(null, { status: 404 });
  }

  runTurn(turn: TurnMessage): Promise<RpcAnswer<TurnReply>> {
    return this.#run(turn, async (signal) => {
      const { callId, sender, pastLength, newEvents: first, ...rest } = turn;
      const newEvents = await this.#eventsOf(turn, "new", first);
      const order: TurnOrder = { ...rest, pastEvents: this.#pastOf(turn), newEvents };
      const { response, dialect } = await this.#workers.dispatchTurn(order, signal);
      return { response: packBytes(toBinary(OrchestratorResponseSchema, response)), dialect };
    });
  }

  runActivity(activity: ActivityMessage): Promise<RpcAnswer<LargeBytes>> {
    return this.#run(activity, async (signal) => {
      const { callId, sender, request, ...rest } = activity;
      const order: ActivityOrder = { ...rest, request: fromBinary(ActivityRequestSchema, request) };
      return packBytes(toBinary(ActivityResponseSchema, await this.#workers.dispatchActivity(order, signal)));
    });
  }

  async callOff(callId: string): Promise<void> {
    this.#calls.get(callId)?.abort();
  }

  async release(instanceId: string): Promise<void> {
    this.#workers.release(instanceId);
  }

  async retire(): Promise<void> {
    this.ctx.storage.kv.put(RETIRED, true);
    this.#workers.stop();
  }

  /** Runs an order; what finds no worker is noted, so that the worker that comes for it wakes its sender. */
  #run<T>(message: TurnMessage | ActivityMessage, run: (signal: AbortSignal) => Promise<T>): Promise<RpcAnswer<T>> {
    const { callId } = message;
    const call = new AbortController();
    this.#calls.set(callId, call);
    return answer(async () => {
      try {
        return await run(call.signal);
      } catch (error) {
        if (isPerduraError(error) && (error.code === "no_worker" || error.code === "not_registered")) {
          this.#parked.note(message.sender, message);
        }
        throw error;
      } finally {
        this.#calls.delete(callId);
      }
    });
  }

  #pastOf(turn: TurnMessage): HistoryView {
    const { pastLength: length } = turn;
    if (length === 0) return historyOf([]);
    return { length, read: () => this.#eventsOf(turn, "past", undefined) };
  }

  /** All events of a part of a turn, from the first page where it is here already. */
  async #eventsOf(
    { sender, callId }: TurnMessage,
    part: TurnPart,
    first: EventPage | undefined,
  ): Promise<HistoryEvent[]> {
    const stub = this.#objects.get(this.#objects.idFromName(sender));
    const events: HistoryEvent[] = [];
    let page = first ?? (await unwrap(stub.turnEvents(callId, part, 0)));
    for (;;) {
      events.push(...unmarshalSegment(page.events));
      if (page.next === undefined) return events;
      page = await unwrap(stub.turnEvents(callId, part, page.next));
    }
  }

  /** Wakes the senders of work that has waited for a worker, a few at a time. */
  async #retry(senders: readonly string[]): Promise<void> {
    const limiter = new Limiter(MAX_RETRIES);
    const retry = async (sender: string): Promise<void> => {
      try {
        await unwrap(this.#objects.get(this.#objects.idFromName(sender)).retryParked());
      } catch (error) {
        // It looks again by itself, if later.
        this.#logger.warn(`'${sender}' could not be told of a worker`, error);
      }
    };
    await Promise.all(senders.map((sender) => limiter.run(() => retry(sender))));
  }
}

/** How many instances are woken at once. */
const MAX_RETRIES = 32;
