import type { Backend } from "../../core/hub/backend.ts";
import type { TaskHubClient } from "../../core/hub/task-hub-client.ts";
import type { ContractRecorder } from "./recorder.ts";

/** How live orchestrators are treated: kept in memory between turns, or evicted after every one. */
export type CacheWay = "kept" | "evicted";

/** What a test needs of the hub that its environment opens for it. */
export interface ContractHubOptions {
  readonly cache: CacheWay;
  /** What becomes of names that no worker registers. Default `"park"`. */
  readonly unregistered?: "park" | "fail";
}

/** The largest payload that a hub under test takes, in UTF-8 bytes: small, so that tests can go above it. */
export const CONTRACT_MAX_PAYLOAD_BYTES: number = 64 * 1024;

/** A hub with workers that run `contractRegistry()`; nothing of an earlier test is in it. */
export interface ContractHub {
  readonly client: TaskHubClient;
  /** The recorder that the hub's registry was made with. */
  readonly recorder: ContractRecorder;
  /** Lets time pass: a virtual clock is moved on, real time is slept through. */
  after(ms: number): Promise<void>;
  /** Waits for a promise that only time may settle. Rejects when that takes unreasonably long. */
  until<T>(promise: Promise<T>): Promise<T>;
  /** Adds `lateReferences()` to the running registry. Absent where code cannot arrive later. */
  addLateCode?(): Promise<void>;
  /** Stops the workers and the backend, and starts others over the same data. Absent where a test cannot do that. */
  reopen?(): Promise<void>;
  close(): Promise<void>;
}

/** How the client-level suite gets its hubs. */
export interface ClientSetup {
  /** Virtual time jumps; real time makes tests as short as they can be. */
  readonly time: "virtual" | "real";
  openHub(options: ContractHubOptions): Promise<ContractHub>;
  /** Whether a hub can be opened with `unregistered: "fail"`. Default true. */
  readonly canFailUnregistered?: boolean;
}

/** A backend without workers, not created and not started. */
export interface ContractBackend {
  readonly backend: Backend;
  /** Lets time pass. */
  after(ms: number): Promise<void>;
  /** The backend's time, in epoch ms. */
  now(): number;
  close(): Promise<void>;
}

/** How the whole suite gets its hubs and backends. */
export interface ContractSetup extends ClientSetup {
  openBackend(): Promise<ContractBackend>;
  /** Whether one backend holds many instances. Default true; else tests of several instances by hand are left out. */
  readonly manyInstances?: boolean;
}
