/** What the benchmark measures: our objects, bare objects, and the platform's own workflow engine, side by side. */
import { DurableObject, WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep } from "cloudflare:workers";
import { orchestrationObject, type TaskHubBindings, taskHubClient } from "../../src/backends/durable-object/index.ts";
import { defineActivity, defineOrchestrator, TaskRegistry } from "../../src/core/index.ts";

export { HubIndexObject } from "../../src/backends/durable-object/index.ts";

interface Environment extends TaskHubBindings {
  readonly BARE: DurableObjectNamespace<BareObject>;
  readonly FLOW: Workflow<{ readonly kind: string; readonly size: number }>;
}

const nothing = defineActivity("nothing", () => null);
const clock = defineActivity("clock", () => Date.now());

const chain = defineOrchestrator("chain", async (ctx, steps: number) => {
  for (let step = 0; step < steps; step++) await ctx.callActivity(nothing);
});

/** Tells when the steps around 100 and around 5,000 ran. */
const long = defineOrchestrator("long", async (ctx, steps: number) => {
  const marks: number[] = [];
  for (let step = 0; step < steps; step++) {
    const isMark = step === 50 || step === 150 || step === steps - 100 || step === steps - 1;
    const at = await ctx.callActivity<number | null>(isMark ? clock.name : nothing.name);
    if (isMark) marks.push(at ?? 0);
  }
  return marks;
});

const crowd = defineOrchestrator("crowd", async (ctx, size: number) => {
  await ctx.whenAll(Array.from({ length: size }, () => ctx.callActivity(nothing)));
});

export const OrchestrationObject = orchestrationObject({
  registry: new TaskRegistry().add(nothing, clock, chain, long, crowd),
});

/** One row and nothing else. */
export class BareObject extends DurableObject {
  async insert(): Promise<void> {
    this.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, x TEXT)");
    this.ctx.storage.sql.exec("INSERT INTO t (x) VALUES ('x')");
  }

  /** As many transactions of two rows, each durable before the next, as a sequential orchestration writes. */
  async transactions(count: number): Promise<void> {
    const { storage } = this.ctx;
    storage.sql.exec("CREATE TABLE IF NOT EXISTS a (id INTEGER PRIMARY KEY, x BLOB)");
    for (let index = 0; index < count; index++) {
      storage.transactionSync(() => {
        storage.sql.exec("INSERT OR REPLACE INTO a VALUES (0, ?)", new ArrayBuffer(300));
        storage.sql.exec("INSERT INTO a VALUES (?, ?)", index + 1, new ArrayBuffer(200));
      });
      await storage.sync();
    }
  }
}

/** The same work for the platform's engine. */
export class Flow extends WorkflowEntrypoint<Environment, { readonly kind: string; readonly size: number }> {
  override async run(
    { payload }: WorkflowEvent<{ readonly kind: string; readonly size: number }>,
    step: WorkflowStep,
  ): Promise<null> {
    const names = Array.from({ length: payload.size }, (_, index) => `s${index}`);
    if (payload.kind === "crowd") await Promise.all(names.map((name) => step.do(name, async () => null)));
    else for (const name of names) await step.do(name, async () => null);
    return null;
  }
}

async function ours(env: Environment, name: string, input: number, count: number): Promise<unknown> {
  const client = taskHubClient(env);
  const run = async (): Promise<unknown> => {
    const id = await client.scheduleNewOrchestration(name, input);
    return client.outputOf(await client.waitForOrchestrationCompletion(id));
  };
  const outputs = await Promise.all(Array.from({ length: count }, run));
  return outputs[0] ?? null;
}

async function theirs(env: Environment, kind: string, size: number, count: number): Promise<void> {
  const run = async (): Promise<void> => {
    const instance = await env.FLOW.create({ params: { kind, size } });
    for (;;) {
      const { status } = await instance.status();
      if (status === "complete") return;
      if (status === "errored") throw new Error("the workflow failed");
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  await Promise.all(Array.from({ length: count }, run));
}

export default {
  async fetch(request: Request, env: Environment): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const size = Number(searchParams.get("size") ?? 1);
    const count = Number(searchParams.get("count") ?? 1);
    const kind = searchParams.get("kind") ?? "chain";
    if (pathname === "/ours") return Response.json(await ours(env, kind, size, count));
    if (pathname === "/theirs") return Response.json((await theirs(env, kind, size, count)) ?? null);
    if (pathname === "/bare") {
      const stubs = Array.from({ length: count }, () => env.BARE.get(env.BARE.newUniqueId()));
      await Promise.all(stubs.map((stub) => stub.insert()));
      return Response.json(null);
    }
    if (pathname === "/transactions") {
      await env.BARE.get(env.BARE.newUniqueId()).transactions(size);
      return Response.json(null);
    }
    return new Response(null, { status: 404 });
  },
};
