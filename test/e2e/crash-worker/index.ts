/** A Worker with orchestrations of every kind of pending work, for tests that kill its workerd. */
import {
  HubIndexObject,
  orchestrationObject,
  type TaskHubBindings,
  taskHubClient,
} from "../../../src/backends/durable-object/index.ts";
import { defineActivity, defineOrchestrator, TaskRegistry } from "../../../src/core/index.ts";

export { HubIndexObject };

const slowPlusOne = defineActivity("slowPlusOne", async (_ctx, value: number) => {
  await new Promise((resolve) => setTimeout(resolve, 40));
  return value + 1;
});

const chain = defineOrchestrator("chain", async (ctx, length: number) => {
  let value = 0;
  for (let step = 0; step < length; step++) value = await ctx.callActivity(slowPlusOne, value);
  return value;
});

const generatorChain = defineOrchestrator("generatorChain", function* (ctx, length: number) {
  let value = 0;
  for (let step = 0; step < length; step++) value = yield* ctx.callActivity(slowPlusOne, value);
  return value;
});

const crowd = defineOrchestrator("crowd", async (ctx, size: number) => {
  const values = await ctx.whenAll(Array.from({ length: size }, (_, index) => ctx.callActivity(slowPlusOne, index)));
  return values.length;
});

const family = defineOrchestrator("family", async (ctx, size: number) => {
  const values = await ctx.whenAll(Array.from({ length: size }, () => ctx.callSubOrchestrator(chain, 3)));
  return values.reduce((sum, value) => sum + value, 0);
});

const naps = defineOrchestrator("naps", async (ctx, count: number) => {
  for (let nap = 0; nap < count; nap++) await ctx.createTimer(100);
  return count;
});

const generations = defineOrchestrator("generations", async (ctx, left: number) => {
  await ctx.callActivity(slowPlusOne, left);
  if (left > 1) ctx.continueAsNew(left - 1);
  return 1;
});

const relay = defineOrchestrator("relay", async (ctx, count: number) => {
  const target = `${ctx.instanceId}-target`;
  for (let index = 0; index < count; index++) {
    ctx.sendEvent(target, "baton", index);
    await ctx.createTimer(50);
  }
  return count;
});

const collector = defineOrchestrator("collector", async (ctx, count: number) => {
  const got: number[] = [];
  while (got.length < count) got.push(await ctx.waitForExternalEvent<number>("baton"));
  return got;
});

export const OrchestrationObject = orchestrationObject({
  registry: new TaskRegistry().add(
    slowPlusOne,
    chain,
    generatorChain,
    crowd,
    family,
    naps,
    generations,
    relay,
    collector,
  ),
  maxDeaths: 20,
});

export default {
  async fetch(request: Request, env: TaskHubBindings): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const client = taskHubClient(env);
    const id = searchParams.get("id") ?? "";
    switch (pathname) {
      case "/start":
        await client.scheduleNewOrchestration(searchParams.get("name") ?? "", Number(searchParams.get("input")), {
          instanceId: id,
        });
        return Response.json({});
      case "/list":
        return Response.json(await client.queryInstances({ pageSize: 1000 }));
      case "/metadata":
        return Response.json(await client.fetchOrchestrationMetadata(id));
      case "/history":
        return Response.json(
          (await client.getInstanceHistory(id)).map(({ eventId, eventType }) => ({
            eventId,
            kind: eventType.case,
            resolves:
              eventType.case === "timerFired"
                ? eventType.value.timerId
                : eventType.value !== undefined && "taskScheduledId" in eventType.value
                  ? eventType.value.taskScheduledId
                  : undefined,
          })),
        );
      default:
        return new Response(null, { status: 404 });
    }
  },
};
