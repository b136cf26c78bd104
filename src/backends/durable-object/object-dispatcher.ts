import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { ActivityOrder, Dispatcher, TurnAnswer, TurnOrder } from "../../connect/server/work-order.ts";
import { unlessAborted } from "../../connect/unless-aborted.ts";
import { AbortedError, InvalidArgumentError, PerduraError } from "../../core/errors.ts";
import {
  ActivityRequestSchema,
  type ActivityResponse,
  ActivityResponseSchema,
  type HistoryEvent,
  OrchestratorResponseSchema,
} from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import type { DispatcherNamespace } from "./bindings.ts";
import { type DispatcherRpc, dispatcherName, type TurnPart } from "./dispatcher-rpc.ts";
import { type EventPage, eventPage } from "./event-page.ts";
import { unpackBytes } from "./large-bytes.ts";
import { type ObjectIdentity, objectName } from "./object-name.ts";
import { type RpcAnswer, unwrap } from "./rpc.ts";

/**
 * Brings an instance's work to the workers that are connected to its hub's dispatcher object. Each order is one call that
 * lasts as long as the worker takes: while it is open neither object is evicted, and when either dies the other one sees the
 * call fail, and the work is dispatched again.
 */
export class ObjectDispatcher implements Dispatcher {
  readonly #self: () => ObjectIdentity;
  readonly #dispatchers: DispatcherNamespace;
  readonly #newUuid: () => string;
  /** The turns that a dispatcher has, by call. */
  readonly #turns = new Map<string, TurnOrder>();
  /** Past events that are being fetched in pages, by call. */
  readonly #past = new Map<string, readonly HistoryEvent[]>();
  /** Some worker may keep the instance's orchestrator. */
  #isKept = false;

  constructor(self: () => ObjectIdentity, dispatchers: DispatcherNamespace, newUuid: () => string) {
    this.#self = self;
    this.#dispatchers = dispatchers;
    this.#newUuid = newUuid;
  }

  async dispatchTurn(order: TurnOrder, signal?: AbortSignal): Promise<TurnAnswer> {
    const { pastEvents, newEvents, ...rest } = order;
    const sent = this.#sent();
    this.#turns.set(sent.callId, order);
    this.#isKept = true;
    const message = { ...rest, ...sent, pastLength: pastEvents.length, newEvents: eventPage(newEvents, 0) };
    try {
      const reply = await this.#call(sent.callId, (stub) => stub.runTurn(message), signal);
      const response = fromBinary(OrchestratorResponseSchema, await unpackBytes(reply.response));
      return { response, dialect: reply.dialect };
    } finally {
      this.#turns.delete(sent.callId);
      this.#past.delete(sent.callId);
    }
  }

  async dispatchActivity(order: ActivityOrder, signal?: AbortSignal): Promise<ActivityResponse> {
    const sent = this.#sent();
    const message = { ...order, ...sent, request: toBinary(ActivityRequestSchema, order.request) };
    const reply = await this.#call(sent.callId, (stub) => stub.runActivity(message), signal);
    return fromBinary(ActivityResponseSchema, await unpackBytes(reply));
  }

  release(instanceId: string): void {
    if (!this.#isKept) return;
    this.#isKept = false;
    this.#stub()
      .release(instanceId)
      // A worker that keeps too much notices it by the number of events.
      .catch(() => undefined);
  }

  /** Events of a turn that is on its way. @throws {@link InvalidArgumentError} for one that is not. */
  async events(callId: string, part: TurnPart, from: number): Promise<EventPage> {
    const order = this.#turns.get(callId);
    if (order === undefined) throw new InvalidArgumentError(`there is no open turn '${callId}' here`);
    if (part === "new") return eventPage(order.newEvents, from);
    // The pages of one reading: whoever asks for the first one asks for all.
    const past = (from === 0 ? undefined : this.#past.get(callId)) ?? (await order.pastEvents.read());
    const page = eventPage(past, from);
    if (page.next === undefined || !this.#turns.has(callId)) this.#past.delete(callId);
    else this.#past.set(callId, past);
    return page;
  }

  #sent(): { readonly callId: string; readonly sender: string } {
    return { callId: this.#newUuid(), sender: objectName(this.#self()) };
  }

  async #call<T>(
    callId: string,
    send: (stub: DispatcherRpc) => Promise<RpcAnswer<T>>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    if (signal?.aborted === true) throw new AbortedError();
    const stub = this.#stub();
    const callOff = (): AbortedError => {
      stub.callOff(callId).catch(() => undefined);
      return new AbortedError();
    };
    try {
      return await unlessAborted(unwrap(send(stub)), signal, callOff);
    } catch (error) {
      if (error instanceof PerduraError) throw error;
      // The platform restarts objects at any time, and then cuts their calls.
      throw new AbortedError("the hub's dispatcher was lost; the work is dispatched again", { cause: error });
    }
  }

  #stub(): DispatcherRpc {
    return this.#dispatchers.get(this.#dispatchers.idFromName(dispatcherName(this.#self())));
  }
}
