import { describe, expect, expectTypeOf, it, vi } from "vitest";
import { AlreadyRegisteredError, InvalidArgumentError } from "../../../src/core/errors.ts";
import type {
  ActivityReference,
  OrchestrationContext,
  OrchestratorReference,
} from "../../../src/core/orchestration/context.ts";
import type { EventResult } from "../../../src/core/orchestration/external-events.ts";
import { defineActivity, defineEvent, defineOrchestrator } from "../../../src/core/orchestration/references.ts";
import { TaskRegistry } from "../../../src/core/orchestration/registry.ts";
import type { Task } from "../../../src/core/orchestration/task.ts";

interface Order {
  readonly id: string;
}

const charge = defineActivity("charge", async (_, order: Order): Promise<number> => order.id.length);
const ping = defineActivity("ping", () => "pong");
const checkout = defineOrchestrator("checkout", async (ctx, order: Order) => {
  const paid = await ctx.callActivity(charge, order);
  return { paid, at: ctx.currentTime.getTime() };
});
const typed = defineOrchestrator("typed", function* (ctx, order: Order) {
  const paid = yield* ctx.callActivity(charge, order);
  expectTypeOf(paid).toBeNumber();
  return String(paid);
});
const ported = defineOrchestrator("ported", async function* (ctx: OrchestrationContext): AsyncGenerator<
  unknown,
  string,
  unknown
> {
  return String(yield ctx.callActivity("charge", { id: "x" }));
});

describe("the registry", () => {
  it("finds code by kind and name, or by the wildcard", () => {
    const registry = new TaskRegistry().add(charge, ping, checkout, typed, ported).addActivity("checkout", () => 1);
    expect(registry.activity("charge")).toBe(charge.fn);
    expect(registry.orchestrator("checkout")).toBe(checkout.fn);
    expect(registry.orchestrator("charge")).toBeUndefined();
    expect(registry.has("activity", "checkout")).toBe(true);
    expect(registry.has("orchestrator", "nobody")).toBe(false);
    expect(registry.names("activity")).toEqual(["charge", "ping", "checkout"]);
    const fallback = (): number => 2;
    registry.addOrchestrator("*", fallback);
    expect(registry.orchestrator("nobody")).toBe(fallback);
    expect(registry.orchestrator("checkout")).toBe(checkout.fn);
    expect(registry.has("orchestrator", "nobody")).toBe(true);
  });

  it("takes all references or none", () => {
    const registry = new TaskRegistry().add(ping);
    expect(() => registry.add(charge, ping)).toThrow(AlreadyRegisteredError);
    expect(() => registry.add(charge, charge)).toThrow(/activity named 'charge' is already registered/);
    expect(registry.names("activity")).toEqual(["ping"]);
    expect(() => registry.addActivity("ping", () => 1)).toThrow(AlreadyRegisteredError);
    expect(() => registry.addOrchestrator("*", () => 1).addOrchestrator("*", () => 1)).toThrow(AlreadyRegisteredError);
  });

  it("refuses empty names", () => {
    expect(() => new TaskRegistry().addActivity("", () => 1)).toThrow(InvalidArgumentError);
    expect(() => defineActivity("", () => 1)).toThrow(InvalidArgumentError);
    expect(() => defineOrchestrator("", () => 1)).toThrow(InvalidArgumentError);
    expect(() => defineEvent("")).toThrow(InvalidArgumentError);
  });

  it("tells when code arrives, until the listener has had enough", () => {
    const registry = new TaskRegistry();
    const listener = vi.fn();
    const stop = registry.onChange(listener);
    registry.add(charge, ping).addOrchestrator("x", () => 1);
    expect(listener).toHaveBeenCalledTimes(2);
    stop();
    registry.addActivity("y", () => 1);
    expect(listener).toHaveBeenCalledTimes(2);
  });
});

it("types: references are typed end to end", () => {
  expectTypeOf(charge).toEqualTypeOf<ActivityReference<Order, number>>();
  expectTypeOf(ping).toEqualTypeOf<ActivityReference<unknown, string>>();
  expectTypeOf(checkout).toEqualTypeOf<OrchestratorReference<Order, { paid: number; at: number }>>();
  expectTypeOf(typed).toEqualTypeOf<OrchestratorReference<Order, string>>();
  expectTypeOf(ported).toEqualTypeOf<OrchestratorReference<unknown, string>>();
  const approval = defineEvent<{ ok: boolean }>("approval");
  const check = (ctx: OrchestrationContext) => {
    expectTypeOf(ctx.callActivity(charge, { id: "a" })).toEqualTypeOf<Task<number>>();
    expectTypeOf(ctx.callActivity(ping)).toEqualTypeOf<Task<string>>();
    expectTypeOf(ctx.callActivity<string>("remote", 1)).toEqualTypeOf<Task<string>>();
    expectTypeOf(ctx.callSubOrchestrator(typed, { id: "a" })).toEqualTypeOf<Task<string>>();
    expectTypeOf(ctx.waitForExternalEvent(approval)).toEqualTypeOf<Task<{ ok: boolean }>>();
    expectTypeOf(ctx.waitForExternalEvent(approval, { timeout: "1h" })).toEqualTypeOf<
      Task<EventResult<{ ok: boolean }>>
    >();
    // @ts-expect-error the input is missing
    ctx.callActivity(charge);
    // @ts-expect-error the input is of another type
    ctx.callActivity(charge, 5);
    // @ts-expect-error the payload is of another type
    ctx.sendEvent("i", approval, { ok: 1 });
  };
  expect(check).toBeTypeOf("function");
});
