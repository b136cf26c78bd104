import { describe, expect, it } from "vitest";
import { failureDetailsFromMessage, failureDetailsOf } from "../../../src/core/orchestration/failure-details.ts";
import { NonRetriableError, TaskFailedError } from "../../../src/core/orchestration/task-failed-error.ts";
import { taskFailed } from "../../../src/core/protocol/events.ts";
import { failed as failedEvent, Instance, WAYS } from "./turns.ts";

class CardDeclined extends Error {}

describe("failure details", () => {
  it("keep class, message, stack and the chain of causes", () => {
    const error = new CardDeclined("declined", { cause: new TypeError("bad card", { cause: "told so" }) });
    const details = failureDetailsOf(error);
    expect(details).toMatchObject({
      errorType: "CardDeclined",
      errorMessage: "declined",
      isNonRetriable: false,
      innerFailure: {
        errorType: "TypeError",
        errorMessage: "bad card",
        innerFailure: { errorType: "string", errorMessage: "told so" },
      },
    });
    expect(details.stackTrace).toContain("failure-details.test");
  });

  it("survive rings and endless chains of causes", () => {
    const ring = new Error("ring");
    ring.cause = ring;
    expect(failureDetailsOf(ring).innerFailure).toBeUndefined();
    let chain = new Error("0");
    for (let n = 1; n < 1000; n++) chain = new Error(String(n), { cause: chain });
    let depth = 0;
    for (let at = failureDetailsOf(chain).innerFailure; at !== undefined; at = at.innerFailure) depth++;
    expect(depth).toBe(16);
  });

  it.each<[unknown, string, string]>([
    ["text", "string", "text"],
    [undefined, "undefined", "undefined"],
    [null, "null", "null"],
    [0, "number", "0"],
    [{ a: 1 }, "object", '{"a":1}'],
    [{ name: "Custom", message: "m" }, "Custom", "m"],
    [10n, "bigint", "10"],
  ])("tell of %s, which is no Error", (thrown, errorType, errorMessage) => {
    expect(failureDetailsOf(thrown)).toEqual({ errorType, errorMessage, isNonRetriable: false });
  });

  it("tell of what throws when it is looked at", () => {
    const nasty = new Error("x");
    Object.defineProperty(nasty, "message", {
      get: () => {
        throw new Error("no");
      },
    });
    expect(failureDetailsOf(nasty).errorType).toBe("Error");
    const object = {
      toJSON() {
        throw new Error("no");
      },
    };
    expect(failureDetailsOf(object).errorMessage).toBe("a value that cannot be shown");
  });

  it("stay small whatever is thrown", () => {
    const details = failureDetailsOf(new Error("x".repeat(10_000_000)));
    expect(details.errorMessage.length).toBeLessThan(40_000);
    expect(details.errorMessage).toContain("more characters");
  });

  it("know what must not be retried", () => {
    expect(failureDetailsOf(new NonRetriableError("no"))).toMatchObject({
      errorType: "NonRetriableError",
      isNonRetriable: true,
    });
    expect(failureDetailsOf(Object.assign(new Error("no"), { isNonRetriable: true })).isNonRetriable).toBe(true);
    expect(failureDetailsOf(Object.assign(new Error("no"), { isNonRetriable: "yes" })).isNonRetriable).toBe(false);
  });

  it("that are missing are a failure all the same", () => {
    expect(failureDetailsFromMessage(undefined)).toMatchObject({ errorType: "Error", isNonRetriable: false });
  });
});

describe.each(WAYS)("failures of tasks in orchestrators $way", ({ cacheSize }) => {
  const details = failureDetailsOf(new CardDeclined("declined", { cause: new TypeError("bad card") }));
  const event = (id: number) => taskFailed(id, { failureDetails: details }, 0);

  it("are caught as an error whose cause is the original", async () => {
    const run = new Instance(
      async (ctx) => {
        try {
          return await ctx.callActivity("charge");
        } catch (error) {
          if (!(error instanceof TaskFailedError)) return "another error";
          const cause = error.cause as Error;
          const inner = cause.cause as Error;
          return [
            error.code,
            error.message,
            error.errorType,
            cause.name,
            cause.message,
            cause.stack === details.stackTrace,
            inner.name,
            inner.message,
          ];
        }
      },
      { cacheSize },
    );
    await run.start();
    await run.turn(event(0));
    expect(run.output).toEqual([
      "task_failed",
      "activity 'charge' failed: declined",
      "CardDeclined",
      "CardDeclined",
      "declined",
      true,
      "TypeError",
      "bad card",
    ]);
  });

  it("that nobody catches fail the orchestration with the whole chain", async () => {
    const run = new Instance(async (ctx) => ctx.callActivity("charge"), { cacheSize });
    await run.start();
    await run.turn(event(0));
    expect(run.failure).toMatchObject({
      errorType: "TaskFailedError",
      errorMessage: "activity 'charge' failed: declined",
      innerFailure: {
        errorType: "CardDeclined",
        errorMessage: "declined",
        stackTrace: details.stackTrace,
        innerFailure: { errorType: "TypeError" },
      },
    });
  });

  it("before the first wait keep the user's message", async () => {
    for (const fn of [
      () => {
        throw new CardDeclined("at once");
      },
      async () => {
        throw new CardDeclined("at once");
      },
      // biome-ignore lint/correctness/useYield: it fails before the first one.
      function* () {
        throw new CardDeclined("at once");
      },
      // biome-ignore lint/correctness/useYield: it fails before the first one.
      async function* () {
        throw new CardDeclined("at once");
      },
    ]) {
      const run = new Instance(fn as never, { cacheSize });
      expect(await run.start()).toMatchObject([{ id: 0, status: "FAILED" }]);
      expect(run.failure).toMatchObject({ errorType: "CardDeclined", errorMessage: "at once" });
    }
  });

  it("after which the code goes on keep their place", async () => {
    const run = new Instance(
      async (ctx) => {
        const results: string[] = [];
        for (let n = 0; n < 3; n++)
          await ctx.callActivity("a").then(
            () => results.push("ok"),
            () => results.push("bad"),
          );
        return results;
      },
      { cacheSize },
    );
    await run.start();
    for (let id = 0; id < 3; id++) await run.turn(failedEvent(id));
    expect(run.output).toEqual(["bad", "bad", "bad"]);
  });

  it("other work asked for in the turn of a failure is not lost", async () => {
    const run = new Instance(
      async (ctx) => {
        void ctx.callActivity("compensate");
        ctx.sendEvent("other", "sorry", 1);
        throw new Error("gone");
      },
      { cacheSize },
    );
    expect(await run.start()).toMatchObject([
      { id: 0, is: "activity" },
      { id: 1, is: "event", to: "other", name: "sorry", data: "1" },
      { id: 2, is: "complete", status: "FAILED" },
    ]);
  });
});
