import { describe, expect, it } from "vitest";
import { AbortedError, InvalidArgumentError } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/hub/logger.ts";
import { newTaskWorker, type TaskProcessor } from "../../../src/core/hub/task-worker.ts";
import type { OrchestrationWorkItem } from "../../../src/core/hub/work-item.ts";
import { messageChannelSettle } from "../../../src/core/orchestration/settle.ts";
import { gate, turnItem } from "./fakes.ts";

const hop = messageChannelSettle();
async function rest(): Promise<void> {
  for (let hops = 0; hops < 5; hops++) await hop();
}

/** A processor over a list of items. */
class ListProcessor implements TaskProcessor<OrchestrationWorkItem> {
  readonly name = "list";
  readonly pending: OrchestrationWorkItem[];
  readonly completed: OrchestrationWorkItem[] = [];
  readonly abandoned: { readonly item: OrchestrationWorkItem; readonly reason: unknown }[] = [];
  running = 0;
  mostRunning = 0;
  work: (item: OrchestrationWorkItem) => Promise<void> = async () => undefined;

  constructor(count: number) {
    this.pending = Array.from({ length: count }, () => turnItem());
  }

  nextWorkItem(signal: AbortSignal): Promise<OrchestrationWorkItem> {
    const item = this.pending.shift();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(new AbortedError()), { once: true });
    });
  }

  async processWorkItem(item: OrchestrationWorkItem): Promise<void> {
    this.mostRunning = Math.max(this.mostRunning, ++this.running);
    try {
      await this.work(item);
    } finally {
      this.running--;
    }
  }

  async completeWorkItem(item: OrchestrationWorkItem): Promise<void> {
    this.completed.push(item);
  }

  async abandonWorkItem(item: OrchestrationWorkItem, reason: unknown): Promise<void> {
    this.abandoned.push({ item, reason });
  }
}

describe("a task worker", () => {
  it("completes items in order, one at a time where it is told to", async () => {
    const processor = new ListProcessor(2);
    const items = [...processor.pending];
    const worker = newTaskWorker(processor, silentLogger(), { maxParallelWorkItems: 1 });
    worker.start();
    await rest();
    await worker.stopAndDrain();
    expect(processor.completed).toEqual(items);
    expect([processor.abandoned, processor.mostRunning]).toEqual([[], 1]);
  });

  it("keeps a slot until its item is done, and gives it to the next one then", async () => {
    const processor = new ListProcessor(8);
    const gates = processor.pending.map(gate);
    const opened = new Map(processor.pending.map((item, index) => [item, gates[index]?.opened]));
    processor.work = async (item) => opened.get(item);
    const worker = newTaskWorker(processor, silentLogger(), { maxParallelWorkItems: 4 });
    worker.start();
    await rest();
    expect([processor.running, processor.pending.length]).toEqual([4, 4]);
    gates[1]?.open();
    await rest();
    expect([processor.running, processor.pending.length, processor.completed.length]).toEqual([4, 3, 1]);
    for (const each of gates) each.open();
    await rest();
    await worker.stopAndDrain();
    expect([processor.completed.length, processor.mostRunning]).toEqual([8, 4]);
  });

  it("abandons an item that fails, with the reason, and goes on with the next", async () => {
    const processor = new ListProcessor(2);
    const [first, second] = processor.pending;
    const failure = new Error("boom");
    processor.work = async (item) => {
      if (item === first) throw failure;
    };
    const worker = newTaskWorker(processor, silentLogger(), { maxParallelWorkItems: 1 });
    worker.start();
    await rest();
    await worker.stopAndDrain();
    expect(processor.abandoned).toEqual([{ item: first, reason: failure }]);
    expect(processor.completed).toEqual([second]);
  });

  it("abandons an item whose completion fails", async () => {
    const processor = new ListProcessor(1);
    processor.completeWorkItem = () => Promise.reject(new Error("the store is full"));
    const worker = newTaskWorker(processor, silentLogger());
    worker.start();
    await rest();
    await worker.stopAndDrain();
    expect(processor.abandoned.length).toBe(1);
  });

  it("survives a failing abandonment", async () => {
    const processor = new ListProcessor(2);
    processor.work = () => Promise.reject(new Error("boom"));
    processor.abandonWorkItem = () => Promise.reject(new Error("boom again"));
    const worker = newTaskWorker(processor, silentLogger(), { maxParallelWorkItems: 1 });
    worker.start();
    await rest();
    expect(processor.pending).toEqual([]);
    await worker.stopAndDrain();
  });

  it("waits at its stop for what is in work, and takes nothing more", async () => {
    const processor = new ListProcessor(2);
    const { opened, open } = gate();
    processor.work = () => opened;
    const worker = newTaskWorker(processor, silentLogger(), { maxParallelWorkItems: 1 });
    worker.start();
    await rest();
    let isDrained = false;
    const drained = worker.stopAndDrain().then(() => {
      isDrained = true;
    });
    await rest();
    expect(isDrained).toBe(false);
    open();
    await drained;
    expect([processor.completed.length, processor.pending.length]).toEqual([1, 1]);
  });

  it("hands back what is in work when its signal aborts, and leaves the rest", async () => {
    const processor = new ListProcessor(2);
    const controller = new AbortController();
    processor.work = () =>
      new Promise((_, reject) => controller.signal.addEventListener("abort", () => reject(new AbortedError())));
    const worker = newTaskWorker(processor, silentLogger(), { maxParallelWorkItems: 1 });
    worker.start();
    await rest();
    const drained = worker.stopAndDrain();
    controller.abort();
    await drained;
    expect([processor.abandoned.length, processor.completed.length, processor.pending.length]).toEqual([1, 0, 1]);
  });

  it("can be started and stopped any number of times, and does not start again after a stop", async () => {
    const processor = new ListProcessor(1);
    const worker = newTaskWorker(processor, silentLogger());
    await worker.stopAndDrain();
    worker.start();
    await rest();
    await worker.stopAndDrain();
    expect(processor.pending.length).toBe(1);
  });

  it("refuses a parallelism that cannot be", () => {
    for (const maxParallelWorkItems of [0, -1, 1.5, Number.NaN]) {
      expect(() => newTaskWorker(new ListProcessor(0), silentLogger(), { maxParallelWorkItems })).toThrow(
        InvalidArgumentError,
      );
    }
  });
});
