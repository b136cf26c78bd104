import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

describe("a virtual clock", () => {
  it("stands still until it is moved", async () => {
    const clock = new VirtualClock({ startMs: 1000 });
    await clock.rest();
    expect(clock.now()).toBe(1000);
    await clock.advance(500);
    expect(clock.now()).toBe(1500);
  });

  it("fires what falls due in order of time, then of setting, each at its own time", async () => {
    const clock = new VirtualClock({ startMs: 0 });
    const fired: string[] = [];
    const note = (name: string) => () => fired.push(`${name}@${clock.now()}`);
    clock.set(20, note("c"));
    clock.set(10, note("a"));
    clock.set(10, note("b"));
    clock.set(99, note("never"));
    await clock.advance(50);
    expect([fired, clock.now(), clock.timerCount]).toEqual([["a@10", "b@10", "c@20"], 50, 1]);
  });

  it("lets asynchronous work settle between two firings, however long its chain", async () => {
    const clock = new VirtualClock({ startMs: 0 });
    const seen: string[] = [];
    clock.set(10, () => {
      void (async () => {
        for (let step = 0; step < 1000; step++) await Promise.resolve();
        for (let step = 0; step < 20; step++) await clock.settle();
        seen.push("work of the first");
      })();
    });
    clock.set(11, () => seen.push("second"));
    await clock.advance(20);
    expect(seen).toEqual(["work of the first", "second"]);
  });

  it("fires timers that are set on the way, and none that are cancelled", async () => {
    const clock = new VirtualClock({ startMs: 0 });
    const seen: number[] = [];
    const cancel = clock.set(30, () => seen.push(-1));
    clock.set(10, () => {
      cancel();
      clock.set(5, () => seen.push(clock.now()));
    });
    await clock.advance(100);
    expect(seen).toEqual([15]);
  });

  it("runs until a promise settles, and settles like it", async () => {
    const clock = new VirtualClock({ startMs: 0 });
    expect(await clock.runUntil(clock.sleep(3_600_000).then(() => "slept"))).toBe("slept");
    expect(clock.now()).toBe(3_600_000);
    const failing = clock.sleep(10).then(() => Promise.reject(new Error("boom")));
    await expect(clock.runUntil(failing)).rejects.toThrow("boom");
  });

  it("gives up on a promise that nothing can settle, or that takes too long", async () => {
    const clock = new VirtualClock({ startMs: 0 });
    const never = new Promise<never>(() => undefined);
    await expect(clock.runUntil(never)).rejects.toThrow(/no timer is set/);
    const tick = (): void => void clock.set(10, tick);
    tick();
    await expect(clock.runUntil(never, { maxTimers: 5 })).rejects.toThrow(/within 5 timers/);
    await expect(clock.runUntil(never, { maxMs: 1000 })).rejects.toThrow(/within 1000 ms/);
  });
});
