import type { ActivityOrder, TurnOrder } from "../../connect/server/work-order.ts";
import { InvalidArgumentError } from "../../core/errors.ts";
import type { Dialect } from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import type { EventPage } from "./event-page.ts";
import type { LargeBytes } from "./large-bytes.ts";
import { checkHubName } from "./object-name.ts";
import type { RpcAnswer } from "./rpc.ts";

/** What travels with an order, whatever it is for. */
interface Sent {
  /** Names the call, so that it can be called off, and its events be asked for. */
  readonly callId: string;
  /** The name of the object that sends it. */
  readonly sender: string;
}

/** A turn that a connected worker is to run, as it travels from the instance's object to the dispatcher's. */
export interface TurnMessage extends Sent, Omit<TurnOrder, "pastEvents" | "newEvents"> {
  /** How many past events there are. They are fetched only when the worker needs them. */
  readonly pastLength: number;
  /** The first of the new events; the rest is fetched. */
  readonly newEvents: EventPage;
}

/** An activity attempt that a connected worker is to make. */
export interface ActivityMessage extends Sent, Omit<ActivityOrder, "request"> {
  /** A marshalled ActivityRequest. */
  readonly request: Uint8Array;
}

/** A turn's answer: a marshalled OrchestratorResponse, and the dialect of the worker that gave it. */
export interface TurnReply {
  readonly response: LargeBytes;
  readonly dialect: Dialect;
}

/** Which events of an open turn are asked for. */
export type TurnPart = "past" | "new";

/**
 * The methods of a hub's dispatcher object, for the orchestrations' objects. Its `fetch` serves workers: see
 * {@link dispatcherObject}.
 */
export interface DispatcherRpc {
  /** Resolves when a worker has answered; may take as long as the turn does. */
  runTurn(turn: TurnMessage): Promise<RpcAnswer<TurnReply>>;
  /** Resolves with a marshalled ActivityResponse when a worker has answered; may take as long as the activity does. */
  runActivity(activity: ActivityMessage): Promise<RpcAnswer<LargeBytes>>;
  /** Nobody waits for that call's answer any more. */
  callOff(callId: string): Promise<void>;
  /** Nothing that a worker keeps of the instance is of use. */
  release(instanceId: string): Promise<void>;
  /** The incarnation of the hub has ended: all streams end, and none begins. */
  retire(): Promise<void>;
}

/** Whom a dispatcher object serves. */
export interface DispatcherIdentity {
  readonly hub: string;
  readonly incarnation: number;
}

/**
 * The name of a dispatcher object: an incarnation of a hub has its own, so that a deleted hub's instances get no worker of the
 * next one.
 *
 * @throws {@link InvalidArgumentError} for a bad hub name.
 */
export function dispatcherName({ hub, incarnation }: DispatcherIdentity): string {
  checkHubName(hub);
  return `${hub}/${incarnation}`;
}

/** The parts of a dispatcher object's name. @throws {@link InvalidArgumentError} when it is none. */
export function parseDispatcherName(name: string): DispatcherIdentity {
  const [, hub, incarnation] = /^([^/]+)\/(\d+)$/u.exec(name) ?? [];
  if (hub === undefined) {
    throw new InvalidArgumentError(`'${name}' is no dispatcher's name: address dispatchers through taskHubRoutes()`);
  }
  checkHubName(hub);
  return { hub, incarnation: Number(incarnation) };
}
