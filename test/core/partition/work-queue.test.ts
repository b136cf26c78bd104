import { describe, expect, it } from "vitest";
import { AbortedError } from "../../../src/core/errors.ts";
import { WorkQueue } from "../../../src/core/partition/work-queue.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { gate } from "../hub/fakes.ts";

const clock = new VirtualClock();

describe("a work queue", () => {
  it("hands keys out in the order in which they were offered, to takers in the order in which they came", async () => {
    const queue = new WorkQueue<string, string>(async (key) => key);
    const taken = [queue.take(), queue.take()];
    queue.offer("a");
    queue.offer("b");
    queue.offer("c");
    expect(await Promise.all([...taken, queue.take()])).toEqual(["a", "b", "c"]);
  });

  it("holds a key once, however often it is offered", async () => {
    const queue = new WorkQueue<string, string>(async (key) => key);
    queue.offer("a");
    queue.offer("a");
    expect(queue.length).toBe(1);
    expect(await queue.take()).toBe("a");
    expect(queue.length).toBe(0);
  });

  it("passes over keys for which there is nothing to do", async () => {
    const queue = new WorkQueue<string, string>(async (key) => (key === "a" ? undefined : key));
    queue.offer("a");
    queue.offer("b");
    expect(await queue.take()).toBe("b");
  });

  it("lets a taker go when its signal aborts, and keeps the key for the next one", async () => {
    const queue = new WorkQueue<string, string>(async (key) => key);
    const controller = new AbortController();
    const taken = queue.take(controller.signal);
    controller.abort();
    await expect(taken).rejects.toThrow(AbortedError);
    expect(queue.waiting).toBe(0);
    queue.offer("a");
    expect(await queue.take()).toBe("a");
    await expect(queue.take(controller.signal)).rejects.toThrow(AbortedError);
  });

  it("gives an item back when its taker left while it was made", async () => {
    const { opened, open } = gate();
    const queue = new WorkQueue<string, string>(async (key) => opened.then(() => key));
    const orphans: string[] = [];
    queue.onOrphan = (key) => orphans.push(key);
    const controller = new AbortController();
    const taken = queue.take(controller.signal).catch(() => "left");
    queue.offer("a");
    await clock.rest();
    controller.abort();
    open();
    expect(await taken).toBe("left");
    await clock.rest();
    expect(orphans).toEqual(["a"]);
  });

  it("goes on with the next key when an item cannot be made", async () => {
    const queue = new WorkQueue<string, string>(async (key) => {
      if (key === "bad") throw new Error("cannot be loaded");
      return key;
    });
    const failures: string[] = [];
    queue.onFailure = (key) => failures.push(key);
    queue.offer("bad");
    queue.offer("good");
    expect(await queue.take()).toBe("good");
    expect(failures).toEqual(["bad"]);
  });

  it("forgets what is ready when it is cleared, and keeps its takers", async () => {
    const queue = new WorkQueue<string, string>(async (key) => key);
    queue.offer("a");
    queue.offer("b");
    queue.withdraw("a");
    queue.clear();
    const taken = queue.take();
    queue.offer("c");
    expect(await taken).toBe("c");
  });
});
