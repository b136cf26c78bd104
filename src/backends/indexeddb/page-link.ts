import { randomIds } from "../../core/partition/host.ts";
import type { WakeReason } from "./environment.ts";

/** What a page sends to the worker that hosts the engine, to be connected. A port comes with it. */
export interface ConnectMessage {
  /** Tells it from the app's own messages. */
  readonly perdura: "connect";
  readonly hub: string;
  readonly pageId: string;
  /** Activities that only this page can run. */
  readonly activities: readonly string[];
  readonly visible: boolean;
  /** Absent: the page's browser does not say. */
  readonly charging?: boolean | undefined;
}

/** From the page, over the port. */
export type FromPage =
  | {
      readonly type: "wake";
      readonly reason: WakeReason;
      readonly visible: boolean;
      readonly charging?: boolean | undefined;
    }
  | { readonly type: "hidden" }
  /** It leaves, and runs nothing more. */
  | { readonly type: "bye" }
  | { readonly type: "result"; readonly call: number; readonly value: unknown }
  | { readonly type: "failure"; readonly call: number; readonly failure: CallFailure };

/** From the worker, over the port. */
export type FromWorker =
  /** The page is taken in. The engine holds the lock of that name for life. */
  | { readonly type: "welcome"; readonly engineLock: string }
  | {
      readonly type: "call";
      readonly call: number;
      readonly name: string;
      readonly context: CallContext;
      readonly input: unknown;
    }
  | { readonly type: "abort"; readonly call: number };

/** What an activity in a page is told of its attempt. */
export interface CallContext {
  readonly instanceId: string;
  readonly name: string;
  readonly taskId: number;
  readonly taskExecutionId: string;
  readonly attempt: number;
  readonly tags: Readonly<Record<string, string>>;
}

/** An error on its way over the port. */
export interface CallFailure {
  readonly name: string;
  readonly message: string;
  readonly isNonRetriable: boolean;
}

/** A page holds this lock for life, so that a worker learns of its end. */
export function pageLock(pageId: string): string {
  return `perdura-page:${pageId}`;
}

/** The engine in a worker holds such a lock for life, so that its pages learn of its end. */
export function newEngineLock(): string {
  return `perdura-engine:${randomIds.uuid()}`;
}

/** Takes a lock and holds it until the returned function is called, or this context is gone. */
export async function holdLock(name: string): Promise<() => void> {
  if (!hasLocks()) return () => undefined;
  return new Promise((resolve, reject) => {
    navigator.locks.request(name, () => new Promise<void>((release) => resolve(() => release()))).catch(reject);
  });
}

/** Whether this host has Web Locks: pages without a secure context have none. */
export function hasLocks(): boolean {
  return (navigator.locks as LockManager | undefined) !== undefined;
}

/** Whether a worker was sent a page's wish to be connected. */
export function isConnectMessage(data: unknown): data is ConnectMessage {
  return (data as ConnectMessage | undefined)?.perdura === "connect";
}
