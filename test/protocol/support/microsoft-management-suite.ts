/** What only Microsoft's dialect has, through its own SDK: queries, history, restart, rewind, tags, versions, batches, filters. */

import { Metadata } from "@grpc/grpc-js";
import * as sdk from "@microsoft/durabletask-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { OpenHub, TestHub } from "./served-hub.ts";

type Ctx = sdk.OrchestrationContext;

/** Runs its scenarios against a hub that is reached in some way. */
export function microsoftManagementSuite(against: string, openHub: OpenHub): void {
  describe(`@microsoft/durabletask-js against ${against}`, () => {
    let hub: TestHub;
    let worker: sdk.TaskHubGrpcWorker;
    let client: sdk.TaskHubGrpcClient;
    const attempts = new Map<string, number>();
    /** Names that fail until they are taken out. */
    const broken = new Set<string>();

    beforeAll(async () => {
      hub = await openHub({ dialect: "microsoft" });
      const logger = new sdk.NoOpLogger();
      worker = new sdk.TaskHubGrpcWorker({ hostAddress: hub.address, logger });
      worker.addNamedActivity("plus-one", (_: unknown, n: number) => n + 1);
      worker.addNamedActivity("flaky", (_: unknown, [name, failures]: [string, number]) => {
        const attempt = (attempts.get(name) ?? 0) + 1;
        attempts.set(name, attempt);
        if (attempt <= failures) throw new Error(`attempt ${attempt} fails`);
        return attempt;
      });
      worker.addNamedActivity("breakable", (_: unknown, name: string) => {
        attempts.set(name, (attempts.get(name) ?? 0) + 1);
        if (broken.has(name)) throw new Error(`${name} is broken`);
        return name;
      });
      worker.addNamedOrchestrator("retrying", async function* (ctx: Ctx, input: [string, number]): AsyncGenerator<
        sdk.Task<number>,
        number,
        number
      > {
        const retry = new sdk.RetryPolicy({
          maxNumberOfAttempts: 4,
          firstRetryIntervalInMilliseconds: 30,
          backoffCoefficient: 1.5,
        });
        return yield ctx.callActivity("flaky", input, { retry });
      });
      worker.addNamedOrchestrator("flaky-child", async function* (ctx: Ctx, input: [string, number]): AsyncGenerator<
        sdk.Task<number>,
        number,
        number
      > {
        return yield ctx.callActivity("flaky", input);
      });
      worker.addNamedOrchestrator("retrying-child", async function* (ctx: Ctx, input: [string, number]): AsyncGenerator<
        sdk.Task<number>,
        number,
        number
      > {
        const retry = new sdk.RetryPolicy({ maxNumberOfAttempts: 3, firstRetryIntervalInMilliseconds: 30 });
        return yield ctx.callSubOrchestrator("flaky-child", input, { retry });
      });
      worker.addNamedOrchestrator("steps", async function* (ctx: Ctx, name: string): AsyncGenerator<
        sdk.Task<unknown>,
        unknown,
        unknown
      > {
        const first = yield ctx.callActivity("plus-one", 0);
        const second = yield ctx.callActivity("breakable", name);
        return [first, second];
      });
      worker.addNamedOrchestrator("waiting", async function* (ctx: Ctx): AsyncGenerator<
        sdk.Task<unknown>,
        unknown,
        unknown
      > {
        return yield ctx.waitForExternalEvent("go");
      });
      worker.addNamedOrchestrator("waiting-parent", async function* (ctx: Ctx, id: string): AsyncGenerator<
        sdk.Task<unknown>,
        unknown,
        unknown
      > {
        return yield ctx.callSubOrchestrator("waiting", undefined, { instanceId: id });
      });
      worker.addNamedOrchestrator("facts", async function* (ctx: Ctx): AsyncGenerator<
        sdk.Task<unknown>,
        unknown,
        unknown
      > {
        const child = yield ctx.callSubOrchestrator("about-me", undefined, { tags: { of: "child" }, version: "7.1" });
        return { version: ctx.version, child };
      });
      worker.addNamedOrchestrator("about-me", async (ctx: Ctx) => ({
        version: ctx.version,
        parent: ctx.parent?.instanceId,
        id: ctx.instanceId,
      }));
      worker.addNamedOrchestrator("sender", async (ctx: Ctx, target: string) => {
        ctx.sendEvent(target, "go", { from: ctx.instanceId });
        return "sent";
      });
      await worker.start();
      client = new sdk.TaskHubGrpcClient({ hostAddress: hub.address, logger });
    });

    afterAll(async () => {
      await Promise.all([worker.stop(), client.stop()]);
      await hub.close();
    });

    const end = async (id: string): Promise<sdk.OrchestrationState> => {
      const state = await client.waitForOrchestrationCompletion(id, true, 30);
      if (state === undefined) throw new Error(`there is no '${id}'`);
      return state;
    };

    it("retries an activity by its policy, with durable timers", async () => {
      const state = await end(await client.scheduleNewOrchestration("retrying", ["r1", 2]));
      expect(state.serializedOutput).toBe("3");
      const failed = await end(await client.scheduleNewOrchestration("retrying", ["r2", 9]));
      expect(failed.runtimeStatus).toBe(sdk.OrchestrationStatus.FAILED);
      expect(attempts.get("r2")).toBe(4);
    });

    it("retries a child under the same id", async () => {
      expect((await end(await client.scheduleNewOrchestration("retrying-child", ["c1", 2]))).serializedOutput).toBe(
        "3",
      );
    });

    it("rewinds a failed run: what succeeded stays, what failed runs again", async () => {
      broken.add("rewound");
      const id = await client.scheduleNewOrchestration("steps", "rewound");
      expect((await end(id)).runtimeStatus).toBe(sdk.OrchestrationStatus.FAILED);
      broken.delete("rewound");
      await client.rewindInstance(id, "mended");
      await expect
        .poll(async () => (await client.getOrchestrationState(id))?.runtimeStatus)
        .toBe(sdk.OrchestrationStatus.COMPLETED);
      expect((await end(id)).serializedOutput).toBe('[1,"rewound"]');
      expect(attempts.get("rewound")).toBe(2);
    });

    it("says why a run cannot be rewound or restarted", async () => {
      await expect(client.rewindInstance("nobody", "x")).rejects.toThrow("was not found");
      await expect(client.restartOrchestration("nobody")).rejects.toThrow("was not found");
      const id = await client.scheduleNewOrchestration("waiting");
      await client.waitForOrchestrationStart(id);
      await expect(client.rewindInstance(id, "x")).rejects.toMatchObject({ cause: { code: 9 } });
      await expect(client.restartOrchestration(id)).rejects.toMatchObject({ cause: { code: 9 } });
      await client.terminateOrchestration(id);
    });

    it("restarts an ended run, under its id or a new one", async () => {
      const id = await client.scheduleNewOrchestration("steps", "again");
      await end(id);
      const other = await client.restartOrchestration(id, true);
      expect(other).not.toBe(id);
      expect((await end(other)).serializedOutput).toBe('[1,"again"]');
      expect(await client.restartOrchestration(id)).toBe(id);
      expect((await end(id)).serializedOutput).toBe('[1,"again"]');
      expect(attempts.get("again")).toBe(3);
    });

    it("terminates a run with its children", async () => {
      const id = await client.scheduleNewOrchestration("waiting-parent", "child-to-end");
      await expect.poll(() => client.getOrchestrationState("child-to-end")).toBeDefined();
      await client.terminateOrchestration(id, sdk.terminateOptions({ recursive: true, output: "over" }));
      expect(await end(id)).toMatchObject({
        runtimeStatus: sdk.OrchestrationStatus.TERMINATED,
        serializedOutput: '"over"',
      });
      expect((await end("child-to-end")).runtimeStatus).toBe(sdk.OrchestrationStatus.TERMINATED);
    });

    it("sends an event to another run", async () => {
      const id = await client.scheduleNewOrchestration("waiting");
      await client.waitForOrchestrationStart(id);
      const sender = await client.scheduleNewOrchestration("sender", id);
      expect((await end(id)).serializedOutput).toBe(JSON.stringify({ from: sender }));
    });

    it("carries tags, versions and parents end to end", async () => {
      const tags = { team: "blue", empty: "" };
      const id = await client.scheduleNewOrchestration("facts", undefined, { tags, version: "2.0.1" });
      const state = await end(id);
      expect(state.tags).toEqual(tags);
      expect(JSON.parse(state.serializedOutput ?? "")).toMatchObject({
        version: "2.0.1",
        child: { version: "7.1", parent: id },
      });
      const { child } = JSON.parse(state.serializedOutput ?? "") as { child: { id: string } };
      expect((await end(child.id)).tags).toEqual({ of: "child" });
    });

    it("queries in pages, by status, prefix and time", async () => {
      const ids = Array.from({ length: 25 }, (_, n) => `page-${String(n).padStart(2, "0")}`);
      for (const id of ids) await client.scheduleNewOrchestration("about-me", undefined, id);
      await Promise.all(ids.map(end));
      const pages: number[] = [];
      const found: string[] = [];
      const query = { instanceIdPrefix: "page-", statuses: [sdk.OrchestrationStatus.COMPLETED], pageSize: 10 };
      for await (const page of client.getAllInstances(query).asPages()) {
        pages.push(page.values.length);
        found.push(...page.values.map(({ instanceId }) => instanceId));
      }
      expect(found.toSorted()).toEqual(ids);
      expect(pages[0]).toBe(10);
      const none: unknown[] = [];
      for await (const one of client.getAllInstances({ ...query, createdTo: new Date(0) })) none.push(one);
      expect(none).toEqual([]);
      const listed: string[] = [];
      for (let key: string | undefined; ; ) {
        const page = await client.listInstanceIds({
          pageSize: 20,
          ...(key === undefined ? {} : { lastInstanceKey: key }),
        });
        listed.push(...page.values);
        if (!page.hasMoreResults) break;
        key = page.continuationToken;
      }
      expect(ids.every((id) => listed.includes(id))).toBe(true);
    });

    it("shows a run's history", async () => {
      const id = await client.scheduleNewOrchestration("steps", "history");
      await end(id);
      const events = await client.getOrchestrationHistory(id);
      expect(events.map(({ type }) => type)).toEqual([
        "OrchestratorStarted",
        "ExecutionStarted",
        "TaskScheduled",
        "OrchestratorStarted",
        "TaskCompleted",
        "TaskScheduled",
        "OrchestratorStarted",
        "TaskCompleted",
        "ExecutionCompleted",
      ]);
      // The SDK makes an empty list of NOT_FOUND.
      expect(await client.getOrchestrationHistory("nobody")).toEqual([]);
    });

    it("purges by id and by filter, and counts", async () => {
      const id = await client.scheduleNewOrchestration("about-me", undefined, "purge-me");
      await end(id);
      expect((await client.purgeOrchestration("nobody"))?.deletedInstanceCount).toBe(0);
      expect((await client.purgeOrchestration(id))?.deletedInstanceCount).toBe(1);
      const from = new Date();
      await new Promise((resolve) => setTimeout(resolve, 5));
      for (let n = 0; n < 3; n++) await end(await client.scheduleNewOrchestration("about-me", undefined, `purge-${n}`));
      const running = await client.scheduleNewOrchestration("waiting", undefined, "purge-not");
      await client.waitForOrchestrationStart(running);
      const criteria = new sdk.PurgeInstanceCriteria();
      criteria.setCreatedTimeFrom(from);
      criteria.setRuntimeStatusList([sdk.OrchestrationStatus.COMPLETED]);
      expect((await client.purgeOrchestration(criteria))?.deletedInstanceCount).toBe(3);
      expect(await client.getOrchestrationState(running)).toBeDefined();
      await client.terminateOrchestration(running);
    });

    it("may share a listener with Dapr's dialect when it says which it is", async () => {
      const shared = await openHub({ dialect: "auto" });
      const metadataGenerator = async (): Promise<Metadata> => {
        const metadata = new Metadata();
        metadata.set("durabletask-dialect", "microsoft");
        return metadata;
      };
      const options = { hostAddress: shared.address, logger: new sdk.NoOpLogger(), metadataGenerator };
      const sharing = new sdk.TaskHubGrpcWorker(options);
      sharing.addNamedActivity("plus-one", (_: unknown, n: number) => n + 1);
      sharing.addNamedOrchestrator("tagging", async function* (ctx: Ctx): AsyncGenerator<
        sdk.Task<unknown>,
        unknown,
        unknown
      > {
        return yield ctx.callActivity("plus-one", 1, { tags: { in: "microsoft" } });
      });
      await sharing.start();
      const caller = new sdk.TaskHubGrpcClient(options);
      const id = await caller.scheduleNewOrchestration("tagging");
      expect((await caller.waitForOrchestrationCompletion(id, true, 20))?.serializedOutput).toBe("2");
      const [scheduled] = (await caller.getOrchestrationHistory(id)).filter(({ type }) => type === "TaskScheduled");
      expect(scheduled).toMatchObject({ name: "plus-one", tags: { in: "microsoft" } });
      await Promise.all([sharing.stop(), caller.stop()]);
      await shared.close();
    });

    it("hands a worker that names its filters only what it has", async () => {
      const logger = new sdk.NoOpLogger();
      const taken: string[] = [];
      const special = new sdk.TaskHubGrpcWorker({ hostAddress: hub.address, logger, workItemFilters: "auto" });
      special.addNamedOrchestrator("special", async function* (ctx: Ctx): AsyncGenerator<
        sdk.Task<unknown>,
        unknown,
        unknown
      > {
        taken.push(ctx.instanceId);
        // An activity of the other worker.
        return yield ctx.callActivity("plus-one", 41);
      });
      const id = await client.scheduleNewOrchestration("about-me");
      await special.start();
      await end(id);
      // The first worker names no filters, and fails what it does not know: it has to go for this.
      await worker.stop();
      const late = await client.scheduleNewOrchestration("special");
      await expect.poll(() => taken.length).toBeGreaterThan(0);
      await worker.start();
      expect((await end(late)).serializedOutput).toBe("42");
      await special.stop();
    });
  });
}
