import { describe, expect, it } from "vitest";
import type { OrchestrationContext, OrchestratorFunction } from "../../../src/core/orchestration/context.ts";
import type { CompletedTask, Task } from "../../../src/core/orchestration/task.ts";
import type { HistoryEvent } from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import {
  childDone,
  childFailed,
  done,
  failed,
  fired,
  Instance,
  raised,
  resumed,
  type Seen,
  suspended,
  terminated,
} from "./turns.ts";

/** A step of a made-up orchestrator; every style runs the same list. */
type Step =
  | { readonly do: "activity" | "child" | "timer" | "event" | "endless event" | "retried" }
  | { readonly do: "all" | "any" | "settled"; readonly n: number }
  | { readonly do: "note" };

function begin(ctx: OrchestrationContext, step: Step, index: number): Task<unknown> | undefined {
  switch (step.do) {
    case "activity":
      return ctx.callActivity(`act${index}`, index);
    case "child":
      return ctx.callSubOrchestrator(`sub${index}`, index);
    case "timer":
      return ctx.createTimer(1000 + index);
    case "event":
      return ctx.waitForExternalEvent("Ev", { timeout: 500 + index });
    case "endless event":
      return ctx.waitForExternalEvent("ev");
    case "retried":
      return ctx.callActivity(`flaky${index}`, 0, { retry: { maxAttempts: 3, firstDelay: 10, backoff: 2 } });
    case "all":
      return ctx.whenAll(Array.from({ length: step.n }, (_, n) => ctx.callActivity(`part${n}`, n)));
    case "settled":
      return ctx.whenAllSettled([ctx.callActivity("s"), ctx.createTimer(5), ctx.waitForExternalEvent("EV")]);
    case "any":
      return ctx.whenAny([
        ctx.callActivity("fast"),
        ctx.createTimer(7),
        ctx.waitForExternalEvent("ev", { timeout: 9 }),
      ]);
    case "note":
      ctx.setCustomStatus([index, ctx.newGuid(), ctx.random()]);
      ctx.sendEvent("other", `note${index}`, ctx.currentTime.getTime());
      return undefined;
  }
}

/** What an orchestrator makes of a result: plain data. */
function noteOf(value: unknown): unknown {
  if (typeof value === "object" && value !== null && "isComplete" in value) {
    const winner = value as unknown as CompletedTask<unknown>;
    return winner.isFailed ? `lost: ${(winner.error as Error).message}` : ["won", winner.result ?? null];
  }
  return JSON.parse(JSON.stringify(value ?? null, (_, each) => (each instanceof Error ? each.message : each)));
}

function styles(steps: readonly Step[]): Record<string, OrchestratorFunction<never, unknown>> {
  return {
    async: async (ctx) => {
      const notes: unknown[] = [];
      for (const [index, step] of steps.entries()) {
        try {
          const task = begin(ctx, step, index);
          if (task !== undefined) notes.push(noteOf(await task));
        } catch (error) {
          notes.push((error as Error).message);
        }
      }
      return notes;
    },
    "function*": function* (ctx: OrchestrationContext): Generator<Task<unknown>, unknown, unknown> {
      const notes: unknown[] = [];
      for (const [index, step] of steps.entries()) {
        try {
          const task = begin(ctx, step, index);
          // Both forms of yield, in turns.
          if (task !== undefined) notes.push(noteOf(index % 2 === 0 ? yield* task : yield task));
        } catch (error) {
          notes.push((error as Error).message);
        }
      }
      return notes;
    },
    "async function*": async function* (ctx: OrchestrationContext): AsyncGenerator<unknown, unknown, unknown> {
      const notes: unknown[] = [];
      for (const [index, step] of steps.entries()) {
        try {
          const task = begin(ctx, step, index);
          if (task !== undefined) notes.push(noteOf(yield task));
        } catch (error) {
          notes.push((error as Error).message);
        }
      }
      return notes;
    },
  };
}

/** A small seeded generator: a failing case can be run again. */
function random(seed: number): (below: number) => number {
  let state = seed * 2654435761 + 1;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function someSteps(pick: (below: number) => number): Step[] {
  return Array.from({ length: 2 + pick(6) }, (): Step => {
    const kinds = [
      "activity",
      "child",
      "timer",
      "event",
      "endless event",
      "retried",
      "all",
      "any",
      "settled",
      "note",
    ] as const;
    const kind = kinds[pick(kinds.length)] ?? "note";
    return kind === "all" || kind === "any" || kind === "settled" ? { do: kind, n: 1 + pick(3) } : { do: kind };
  });
}

/** Answers what was asked for, in made-up batches with made-up trouble; the same seed makes the same choices. */
async function play(fn: OrchestratorFunction<never, unknown>, cacheSize: number, seed: number): Promise<unknown[]> {
  const pick = random(seed);
  const run = new Instance(fn, { cacheSize });
  const log: unknown[] = [];
  const open: Seen[] = [];
  let batch: HistoryEvent[] = [run.startEvent];
  for (let turn = 0; turn < 200; turn++) {
    const seen = await run.turn(...batch);
    log.push([
      seen,
      run.answer.customStatus,
      run.answer.eventWaits,
      run.answer.cancelledTimers,
      run.answer.cancelledTasks,
    ]);
    if (run.end !== undefined) return log;
    open.push(...seen.filter(({ is }) => is !== "event"));
    batch = [];
    for (let n = 1 + pick(3); n > 0; n--) {
      const [action] = open.length === 0 ? [] : open.splice(pick(open.length), 1);
      if (action?.is === "activity") batch.push(pick(3) === 0 ? failed(action.id) : done(action.id, `r${action.id}`));
      if (action?.is === "child") batch.push(pick(3) === 0 ? childFailed(action.id) : childDone(action.id, action.id));
      if (action?.is === "timer") batch.push(fired(action.id));
      if (pick(3) === 0) batch.push(raised(pick(2) === 0 ? "ev" : "EV", turn));
      if (pick(9) === 0) batch.push(suspended());
      if (pick(4) === 0) batch.push(resumed());
      if (pick(60) === 0) batch.push(terminated(turn));
    }
  }
  return log;
}

describe("the three styles, kept or evicted, give equal answers turn by turn", () => {
  it.each(Array.from({ length: 20 }, (_, block) => [block]))(
    "for made-up orchestrators and histories, block %d",
    async (block) => {
      for (let n = 0; n < 15; n++) {
        const seed = block * 1000 + n;
        const steps = someSteps(random(seed));
        let expected: unknown[] | undefined;
        for (const [style, fn] of Object.entries(styles(steps))) {
          for (const cacheSize of [10, 0]) {
            const log = await play(fn, cacheSize, seed);
            expected ??= log;
            expect({ seed, style, cacheSize, log }).toEqual({ seed, style, cacheSize, log: expected });
          }
        }
        const last = JSON.stringify(expected?.at(-1) ?? "");
        expect(last).not.toContain("NonDeterminismError");
      }
    },
  );
});

describe("concurrent branches of an async orchestrator interleave the same on every replay", () => {
  it.each(Array.from({ length: 30 }, (_, seed) => [seed]))("seed %d", async (seed) => {
    const fn: OrchestratorFunction<never, unknown> = async (ctx) => {
      const order: string[] = [];
      const branch = async (name: string) => {
        for (let n = 0; n < 3; n++) {
          await ctx.callActivity(`${name}${n}`);
          order.push(`${name}${n}`);
          if (n === 1) await Promise.resolve();
        }
      };
      await Promise.all([branch("a"), branch("b"), branch("c")]);
      return order;
    };
    const kept = await play(fn, 10, seed);
    expect(await play(fn, 0, seed)).toEqual(kept);
  });
});

it("a generator needs no settling at all", async () => {
  let settles = 0;
  const run = new Instance(
    function* (ctx: OrchestrationContext): Generator<Task<unknown>, unknown, unknown> {
      let sum = 0;
      for (let n = 0; n < 10; n++) sum += yield* ctx.callActivity<number>("a", n);
      return sum;
    },
    {
      settle: () => {
        settles++;
        return Promise.resolve();
      },
    },
  );
  await run.start();
  for (let id = 0; id < 10; id++) await run.turn(done(id, id));
  expect([run.output, settles]).toEqual([45, 0]);
});

it("thousands of kept events are taken in a loop, not by recursion", async () => {
  const run = new Instance(function* (ctx: OrchestrationContext): Generator<Task<unknown>, unknown, unknown> {
    yield* ctx.callActivity("a");
    let sum = 0;
    for (let n = 0; n < 20_000; n++) sum += yield* ctx.waitForExternalEvent<number>("e");
    return sum;
  });
  await run.start(...Array.from({ length: 20_000 }, () => raised("e", 1)));
  await run.turn(done(0));
  expect(run.output).toBe(20_000);
});
