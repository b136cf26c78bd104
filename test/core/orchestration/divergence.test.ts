import { describe, expect, it } from "vitest";
import type { OrchestrationContext, OrchestratorFunction } from "../../../src/core/orchestration/context.ts";
import { done, failed, fired, Instance, raised, resumed, suspended, terminated } from "./turns.ts";

type Code = OrchestratorFunction<never, unknown>;

/** Records a history with one code, then goes on with another, as after a deployment. */
async function redeploy(before: Code, after: Code, script: (run: Instance) => Promise<unknown>): Promise<Instance> {
  const old = new Instance(before);
  await script(old);
  const next = new Instance(after, { history: old.history });
  next.nowMs = old.nowMs;
  return next;
}

const wait: Code = async (ctx) => {
  await ctx.callActivity("a");
  await ctx.callActivity("b");
};
const twoSteps = async (run: Instance) => {
  await run.start();
  await run.turn(done(0));
};

describe("code that does something else than its history ends FAILED, and says where", () => {
  it("another kind", async () => {
    const run = await redeploy(
      wait,
      async (ctx) => {
        await ctx.createTimer(1, { name: "a" });
      },
      (old) => old.start(),
    );
    await run.turn(done(0));
    expect(run.failure.errorType).toBe("NonDeterminismError");
    expect(run.failure.errorMessage).toContain(
      "at event 2 history has activity 'a' (id 0), but the code asked for timer 'a' (id 0)",
    );
    expect(run.seen.length).toBe(1);
    expect(run.reads).toBe(1);
  });

  it("another name", async () => {
    const run = await redeploy(
      wait,
      async (ctx) => {
        await ctx.callActivity("z");
      },
      (old) => old.start(),
    );
    await run.turn(done(0));
    expect(run.failure.errorMessage).toContain(
      "history has activity 'a' (id 0), but the code asked for activity 'z' (id 0)",
    );
  });

  it("another id", async () => {
    const before: Code = async (ctx) => {
      await ctx.callActivity("a");
      await ctx.whenAll([ctx.callActivity("b"), ctx.callActivity("c")]);
    };
    const after: Code = async (ctx) => {
      await ctx.callActivity("a");
      await ctx.whenAll([ctx.callActivity("c"), ctx.callActivity("b")]);
    };
    const run = await redeploy(before, after, twoSteps);
    await run.turn(done(1));
    expect(run.failure.errorMessage).toContain(
      "at event 5 history has activity 'b' (id 1), but the code asked for activity 'c' (id 1)",
    );
  });

  it("something missing", async () => {
    const before: Code = async (ctx) => {
      await ctx.whenAll([ctx.callActivity("a"), ctx.callActivity("b")]);
    };
    const run = await redeploy(
      before,
      async (ctx) => {
        await ctx.callActivity("a");
      },
      (old) => old.start(),
    );
    await run.turn(done(0));
    expect(run.failure.errorMessage).toContain(
      "at event 3 history has activity 'b' (id 1), but the code asked for nothing more in this turn",
    );
  });

  it("something more, even at the end of the turn", async () => {
    const after: Code = async (ctx) => {
      await ctx.whenAll([ctx.callActivity("a"), ctx.callActivity("b")]);
    };
    const run = await redeploy(wait, after, (old) => old.start());
    await run.turn(done(0));
    expect(run.failure.errorMessage).toContain(
      "at event 3 history has nothing more in this turn, but the code asked for activity 'b' (id 1)",
    );
  });

  it("an end that came earlier, and an end that does not come", async () => {
    const early = await redeploy(
      wait,
      async (ctx) => {
        await ctx.callActivity("a");
      },
      twoSteps,
    );
    await early.turn(done(1));
    expect(early.failure.errorMessage).toContain(
      "history has activity 'b' (id 1), but the code asked for completion (id 1)",
    );
    expect(early.end?.id).toBe(2);
    const over = await redeploy(
      async (ctx) => {
        await ctx.callActivity("a");
      },
      wait,
      twoSteps,
    );
    await over.turn(raised("x"));
    expect(over.failure.errorMessage).toContain(
      "history has completion (id 1), but the code asked for activity 'b' (id 1)",
    );
  });

  it("a wait where history has none: nothing is asked for in a turn that recorded something", async () => {
    const run = await redeploy(
      wait,
      async (ctx) => {
        await ctx.waitForExternalEvent("x");
      },
      (old) => old.start(),
    );
    await run.turn(done(0));
    expect(run.failure.errorMessage).toContain(
      "history has activity 'a' (id 0), but the code asked for nothing more in this turn",
    );
  });

  it("sent events and sub-orchestrations are compared too", async () => {
    const send = await redeploy(
      async (ctx) => {
        ctx.sendEvent("i", "one");
        await ctx.callActivity("a");
      },
      async (ctx) => {
        ctx.sendEvent("i", "two");
        await ctx.callActivity("a");
      },
      (old) => old.start(),
    );
    await send.turn(done(1));
    expect(send.failure.errorMessage).toContain(
      "history has event 'one' (id 0), but the code asked for event 'two' (id 0)",
    );
    const child = await redeploy(
      async (ctx) => ctx.callSubOrchestrator("c"),
      async (ctx) => ctx.callSubOrchestrator("d"),
      (old) => old.start(),
    );
    await child.turn(done(1));
    expect(child.failure.errorMessage).toContain("sub-orchestration 'c' (id 0)");
  });

  it("in a generator as well", async () => {
    const run = await redeploy(
      wait,
      function* (ctx: OrchestrationContext) {
        yield* ctx.callActivity("z");
      },
      (old) => old.start(),
    );
    await run.turn(done(0));
    expect(run.failure.errorType).toBe("NonDeterminismError");
  });

  it("code of the user that swallows every error cannot hide it", async () => {
    const after: Code = async (ctx) => {
      try {
        await ctx.callActivity("z");
      } catch {
        /* hidden */
      }
      return "fine";
    };
    const run = await redeploy(wait, after, (old) => old.start());
    await run.turn(failed(0));
    expect(run.failure.errorType).toBe("NonDeterminismError");
  });
});

describe("what is no divergence", () => {
  it("other inputs, other child ids, another order within a recorded turn", async () => {
    const before: Code = async (ctx) => {
      await ctx.whenAll([ctx.callActivity("a", 1), ctx.callSubOrchestrator("c", 1)]);
    };
    const after: Code = async (ctx) => {
      await ctx.whenAll([ctx.callActivity("a", 2), ctx.callSubOrchestrator("c", 2, { instanceId: "x" })]);
    };
    const old = new Instance(before);
    await old.start();
    const [started, start, first, second] = old.history;
    const shuffled = [started, start, second, first].flatMap((event) => (event === undefined ? [] : [event]));
    const run = new Instance(after, { history: shuffled });
    expect(await run.turn(done(0))).toEqual([]);
  });

  it("actions that a suspension carried to a later turn", async () => {
    const run = new Instance(wait, { cacheSize: 0 });
    await run.start(suspended());
    await run.turn(raised("x"));
    expect(await run.turn(resumed())).toMatchObject([{ id: 0 }]);
    expect(await run.turn(done(0))).toMatchObject([{ id: 1 }]);
    await run.turn(done(1));
    expect(run.end?.status).toBe("COMPLETED");
  });

  it("actions recorded in a turn that ended suspended", async () => {
    const old = new Instance(wait);
    await old.start();
    // Another engine might have recorded them there.
    const [started, start, scheduled] = old.history;
    const history = [started, start, suspended(), scheduled].flatMap((event) => (event === undefined ? [] : [event]));
    const run = new Instance(wait, { history });
    expect(await run.turn(resumed(), done(0))).toMatchObject([{ id: 1 }]);
  });

  it("a history that stops in the middle of nothing: kinds that replay does not know", async () => {
    const old = new Instance(wait);
    await old.start();
    const { orchestratorCompleted, genericEvent, executionStalled } = await import(
      "../../../src/core/protocol/events.ts"
    );
    const history = [
      ...old.history,
      orchestratorCompleted(0),
      genericEvent({ data: "x" }, 0),
      executionStalled({ reason: 1 }, 0),
    ];
    const run = new Instance(wait, { history });
    expect(await run.turn(done(0))).toMatchObject([{ id: 1 }]);
  });
});

describe("a divergence", () => {
  it("ends under an id that history has not used, also when the code asked for less", async () => {
    const before: Code = async (ctx) => ctx.whenAll([1, 2, 3].map((n) => ctx.callActivity("a", n)));
    const run = await redeploy(
      before,
      async (ctx) => ctx.waitForExternalEvent("x"),
      (old) => old.start(),
    );
    await run.turn(done(0));
    expect(run.failure.errorType).toBe("NonDeterminismError");
    expect(run.end?.id).toBe(3);
  });

  it("is beaten by a termination of the same batch", async () => {
    const run = await redeploy(
      wait,
      async (ctx) => ctx.createTimer(1),
      (old) => old.start(),
    );
    await run.turn(terminated("t"));
    expect(run.seen).toMatchObject([{ status: "TERMINATED", result: '"t"' }]);
  });

  it("is told also while suspended", async () => {
    const run = await redeploy(
      wait,
      async (ctx) => ctx.createTimer(1),
      async (old) => {
        await old.start();
        await old.turn(suspended());
      },
    );
    await run.turn(fired(0));
    expect(run.failure.errorType).toBe("NonDeterminismError");
  });

  it("carries both sides as data", async () => {
    const { TurnRecorder } = await import("../../../src/core/orchestration/turn-recorder.ts");
    const error = new TurnRecorder().compare(
      [{ kind: "timer", id: 4, name: "t", eventNumber: 9 }],
      undefined,
      false,
      10,
    );
    expect(error?.divergence).toEqual({
      eventNumber: 9,
      recorded: "timer 't' (id 4)",
      asked: "nothing more in this turn",
    });
    expect(error?.code).toBe("nondeterminism");
  });
});
