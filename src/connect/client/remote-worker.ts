import type { Transport } from "@connectrpc/connect";
import { InvalidArgumentError } from "../../core/errors.ts";
import type { Executor } from "../../core/hub/executor.ts";
import { Limiter } from "../../core/hub/limiter.ts";
import { defaultLogger, type Logger } from "../../core/hub/logger.ts";
import { InProcessExecutor, type InProcessExecutorOptions } from "../../core/orchestration/in-process-executor.ts";
import type { PayloadCodec } from "../../core/orchestration/payload-codec.ts";
import type { TaskRegistry } from "../../core/orchestration/registry.ts";
import { Backoff, pause } from "./backoff.ts";
import { CodecExecutor } from "./codec-executor.ts";
import { newSidecarClient, type SidecarClient } from "./service-client.ts";
import { WorkerSession } from "./worker-session.ts";

/** How a remote worker runs. */
export interface RemoteWorkerOptions
  extends Pick<InProcessExecutorOptions, "cacheSize" | "converter" | "maxPayloadBytes" | "settle" | "timers" | "now"> {
  readonly logger?: Logger;
  /** The codec of the payloads, where hub and wire are to see them encoded only. The clients need it too. */
  readonly codec?: PayloadCodec;
  /** How many turns may run at once. Default 100. */
  readonly maxParallelTurns?: number;
  /** How many activities may run at once. Default 100. */
  readonly maxParallelActivities?: number;
  /** Delay after the first failed attempt to connect, in ms; it grows by half each time. Default 500. */
  readonly firstRetryMs?: number;
  /** The longest such delay, in ms. Default 15 seconds. */
  readonly maxRetryMs?: number;
  /** How often the connection is tried, in ms, so that one that died in silence is noticed. Default 30 seconds. */
  readonly keepAliveMs?: number;
  /** How long {@link RemoteTaskHubWorker.stop} waits for what is in work, in ms. Default 30 seconds. */
  readonly drainMs?: number;
  /** Called when the worker has connected, and when it has lost its connection. */
  readonly onConnection?: (isConnected: boolean) => void;
}

/** Runs a registry's orchestrators and activities for a hub anywhere. */
export interface RemoteTaskHubWorker {
  /** Whether a stream of work is open now. */
  readonly isConnected: boolean;
  /** Connects, and again whenever the connection is lost, until it is stopped. The hub may come up later. */
  start(): void;
  /** Takes no more work, lets what is in work end for a while, and disconnects. What is left is handed back. */
  stop(): Promise<void>;
}

/**
 * Makes a worker for a hub on the other side of a transport: from a browser tab, another Worker or Node. Its orchestrators
 * stay live between turns, as in a hub of its own.
 *
 * @example
 * const worker = createRemoteTaskHubWorker(createGrpcTransport({ baseUrl: "http://127.0.0.1:4001" }), registry);
 * worker.start();
 */
export function createRemoteTaskHubWorker(
  transport: Transport,
  registry: TaskRegistry,
  options: RemoteWorkerOptions = {},
): RemoteTaskHubWorker {
  return new ConnectingWorker(newSidecarClient(transport), registry, options);
}

/** How long a session has to last for the next attempt to begin with the first delay again, in ms. */
const LASTING_MS = 5000;

/** How many lost streams a worker remembers, the latest ones. */
const MAX_LOST = 10;

class ConnectingWorker implements RemoteTaskHubWorker {
  readonly #client: SidecarClient;
  readonly #registry: TaskRegistry;
  readonly #options: RemoteWorkerOptions;
  readonly #logger: Logger;
  readonly #executor: Executor;
  readonly #turns: Limiter;
  readonly #activities: Limiter;
  readonly #backoff: Backoff;
  readonly #stop = new AbortController();
  /** Streams that were lost: the hub may not have heard of it. */
  #lost: readonly string[] = [];
  #loop: Promise<void> | undefined;
  #session: WorkerSession | undefined;
  #retiring: Promise<void> = Promise.resolve();
  #unsubscribe: (() => void) | undefined;

  constructor(client: SidecarClient, registry: TaskRegistry, options: RemoteWorkerOptions) {
    const { maxParallelTurns = 100, maxParallelActivities = 100, firstRetryMs = 500, maxRetryMs = 15_000 } = options;
    checkLimit("maxParallelTurns", maxParallelTurns);
    checkLimit("maxParallelActivities", maxParallelActivities);
    this.#client = client;
    this.#registry = registry;
    this.#options = options;
    this.#logger = options.logger ?? defaultLogger("warn");
    // `options` has keys that the executor does not know; it takes only its own.
    const executor = new InProcessExecutor({ ...options, registry, logger: this.#logger });
    this.#executor = options.codec === undefined ? executor : new CodecExecutor(executor, options.codec);
    this.#turns = new Limiter(maxParallelTurns);
    this.#activities = new Limiter(maxParallelActivities);
    this.#backoff = new Backoff(firstRetryMs, maxRetryMs);
  }

  get isConnected(): boolean {
    return this.#session?.isConnected ?? false;
  }

  start(): void {
    if (this.#loop !== undefined || this.#stop.signal.aborted) return;
    // The hub is told which names this worker takes: when they change, it is told anew.
    this.#unsubscribe = this.#registry.onChange(() => this.#renew());
    this.#loop = this.#run();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let isTold = false;
    while (!signal.aborted) {
      let failure: unknown;
      const session = this.#newSession();
      this.#session = session;
      const begun = performance.now();
      try {
        const running = session.run();
        // A retired session ends what it has beside the one that takes its place.
        await Promise.race([running, session.retired]);
      } catch (error) {
        failure = error;
      }
      if (session.wasRetired || signal.aborted) continue;
      if (session.wasConnected) {
        this.#lost = [...this.#lost, session.name].slice(-MAX_LOST);
        // A hub that refuses the stream says hello all the same: only one that has lasted has gone well.
        if (performance.now() - begun >= LASTING_MS) {
          this.#backoff.reset();
          isTold = false;
        }
      }
      if (failure !== undefined) {
        // Once, not for each attempt: it may be a wrong address or token, or a hub that comes up later.
        this.#logger[isTold ? "info" : "warn"](
          "no connection to the task hub; tried again until there is one",
          failure,
        );
        isTold = true;
      }
      await pause(this.#backoff.next(), signal);
    }
  }

  #newSession(): WorkerSession {
    return new WorkerSession({
      client: this.#client,
      executor: this.#executor,
      registry: this.#registry,
      logger: this.#logger,
      turns: this.#turns,
      activities: this.#activities,
      maxTurns: this.#options.maxParallelTurns ?? 100,
      maxActivities: this.#options.maxParallelActivities ?? 100,
      keepAliveMs: this.#options.keepAliveMs ?? 30_000,
      lostStreams: [...this.#lost],
      onConnection: (isConnected) => this.#options.onConnection?.(isConnected),
    });
  }

  /** The session goes on with what it has, and another one takes its place. */
  #renew(): void {
    const old = this.#session;
    if (old === undefined || old.wasRetired) return;
    const drained = old.retire(this.#options.drainMs ?? 30_000);
    this.#retiring = Promise.all([this.#retiring, drained]).then(() => undefined);
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#stop.abort();
    await Promise.all([this.#retiring, this.#session?.retire(this.#options.drainMs ?? 30_000)]);
    await this.#loop;
    await this.#executor.shutdown();
  }
}

function checkLimit(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError(`${name} is ${value}: give a whole number of at least 1`);
  }
}
