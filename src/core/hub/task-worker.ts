import { AbortedError, ActivityGatedError, InvalidArgumentError, WorkItemLockLostError } from "../errors.ts";
import type { Logger } from "./logger.ts";
import type { WorkItem } from "./work-item.ts";

/** How a worker runs. */
export interface WorkerOptions {
  /** How many items may be worked on at once; unlimited when absent. */
  readonly maxParallelWorkItems?: number;
}

/** What a {@link TaskWorker} does with items of one kind. */
export interface TaskProcessor<T extends WorkItem> {
  /** A word for the log. */
  readonly name: string;
  /** Waits for the next item. Rejects when `signal` aborts. */
  nextWorkItem(signal: AbortSignal): Promise<T>;
  /** Works on the item. A rejection leads to {@link abandonWorkItem}. */
  processWorkItem(item: T): Promise<void>;
  /** Makes the result durable. A rejection leads to {@link abandonWorkItem}. */
  completeWorkItem(item: T): Promise<void>;
  /** Hands the item back. */
  abandonWorkItem(item: T, reason: unknown): Promise<void>;
}

/** Takes items from a backend and works on them, until it is stopped. */
export interface TaskWorker<T extends WorkItem> {
  /** The processor, for those who drive single items by hand. */
  readonly processor: TaskProcessor<T>;
  /** Begins to take items. A second call, or one after the stop, does nothing. */
  start(): void;
  /** Takes no more items and resolves when those in work have been completed or abandoned. Can be called again. */
  stopAndDrain(): Promise<void>;
}

/** Delay after a failed `nextWorkItem`, so that a broken backend is not asked in a tight loop, in ms. */
const NEXT_ITEM_RETRY_MS = 250;

/**
 * Makes a worker.
 *
 * @throws {@link InvalidArgumentError} for a `maxParallelWorkItems` that is not a positive whole number.
 */
export function newTaskWorker<T extends WorkItem>(
  processor: TaskProcessor<T>,
  logger: Logger,
  options: WorkerOptions = {},
): TaskWorker<T> {
  const limit = options.maxParallelWorkItems ?? Number.POSITIVE_INFINITY;
  if (!(limit >= 1) || (limit !== Number.POSITIVE_INFINITY && !Number.isInteger(limit))) {
    throw new InvalidArgumentError(
      `maxParallelWorkItems is ${limit}: give a whole number of at least 1, or leave it out`,
    );
  }
  return new LoopingTaskWorker(processor, logger, limit);
}

class LoopingTaskWorker<T extends WorkItem> implements TaskWorker<T> {
  readonly processor: TaskProcessor<T>;
  readonly #logger: Logger;
  readonly #limit: number;
  readonly #stop = new AbortController();
  readonly #working = new Set<Promise<void>>();
  #loop: Promise<void> | undefined;

  constructor(processor: TaskProcessor<T>, logger: Logger, limit: number) {
    this.processor = processor;
    this.#logger = logger;
    this.#limit = limit;
  }

  start(): void {
    if (this.#stop.signal.aborted) return;
    this.#loop ??= this.#run();
  }

  async stopAndDrain(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    await Promise.all(this.#working);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      if (this.#working.size >= this.#limit) {
        await Promise.race(this.#working);
        continue;
      }
      let item: T;
      try {
        item = await this.processor.nextWorkItem(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#logger.error(`${this.processor.name}: could not get the next work item`, error);
        await pause(NEXT_ITEM_RETRY_MS, signal);
        continue;
      }
      const work = this.#work(item).finally(() => this.#working.delete(work));
      this.#working.add(work);
    }
  }

  async #work(item: T): Promise<void> {
    try {
      await this.processor.processWorkItem(item);
      await this.processor.completeWorkItem(item);
    } catch (error) {
      // What was aborted, or may not run now, is handed back as a matter of course.
      const isExpected = error instanceof AbortedError || error instanceof ActivityGatedError;
      const level = isExpected ? "debug" : "warn";
      this.#logger[level](`${this.processor.name}: abandons ${item.toString()}`, error);
      try {
        await this.processor.abandonWorkItem(item, error);
      } catch (abandonError) {
        const isMoot = abandonError instanceof WorkItemLockLostError;
        this.#logger[isMoot ? "debug" : "warn"](
          `${this.processor.name}: could not abandon ${item.toString()}`,
          abandonError,
        );
      }
    }
  }
}

/** Resolves after `ms`, or at once when the signal aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
