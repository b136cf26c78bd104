import type { InstanceQuery } from "../../../core/hub/query.ts";
import { assert, assertContains, assertEqual, assertRejects } from "../assert.ts";
import { begin, type ClientSuite, eventually, historyKinds, newId, once, outcome, run, twice, until } from "../case.ts";
import type { ContractHub } from "../setup.ts";
import { emptyOrchestrator, failingOrchestrator, singleOrchestrator } from "./activities.ts";
import { waitingOrchestrator } from "./external-events.ts";
import { timerOrchestrator } from "./timers.ts";

/** The ids of all pages of a query. */
async function all(hub: ContractHub, query: InstanceQuery): Promise<string[]> {
  const ids: string[] = [];
  let next: InstanceQuery | undefined = query;
  for (let pages = 0; next !== undefined && pages < 100; pages++) {
    const page = await hub.client.queryInstances(next);
    ids.push(...page.instances.map(({ instanceId }) => instanceId));
    next = page.continuationToken === undefined ? undefined : { ...query, continuationToken: page.continuationToken };
  }
  return ids;
}

/** Query, list and history. */
export function listingTests(suite: ClientSuite): void {
  suite.runner.describe("query and list", () => {
    once(suite, "instances are found by status, name, tag and prefix, and all conditions must hold", async (hub) => {
      const prefix = newId("find");
      const done = await run(hub, emptyOrchestrator, undefined, {
        instanceId: `${prefix}/a`,
        tags: { team: "red", size: "1" },
      });
      const failed = await run(hub, failingOrchestrator, "x", { instanceId: `${prefix}/b`, tags: { team: "blue" } });
      const running = await begin(hub, waitingOrchestrator, undefined, {
        instanceId: `${prefix}/c`,
        tags: { team: "red" },
      });
      await until(hub, running, ({ runtimeStatus }) => runtimeStatus === "RUNNING", "running");
      const find = async (query: InstanceQuery, expected: readonly string[], what: string): Promise<void> => {
        const wanted = JSON.stringify([...expected].sort());
        const ask = (): Promise<string[]> => all(hub, { instanceIdPrefix: prefix, ...query });
        await eventually(hub, ask, (ids) => JSON.stringify(ids.sort()) === wanted, what);
      };
      const [a, b, c] = [done.instanceId, failed.instanceId, running];
      await find({}, [a, b, c], "all of the prefix");
      await find({ runtimeStatus: ["COMPLETED"] }, [a], "by status");
      await find({ runtimeStatus: ["COMPLETED", "FAILED"] }, [a, b], "by two states");
      await find({ name: waitingOrchestrator.name }, [c], "by name");
      await find({ name: [waitingOrchestrator.name, emptyOrchestrator.name] }, [a, c], "by two names");
      await find({ tags: { team: "red" } }, [a, c], "by tag");
      await find({ tags: { team: "red", size: "1" } }, [a], "by two tags");
      await find({ tags: { team: "red" }, runtimeStatus: ["RUNNING"] }, [c], "by tag and status");
      await find({ instanceIdPrefix: `${prefix}/b` }, [b], "by a longer prefix");
      await find({ completedFrom: new Date(0) }, [a, b], "by having ended");
      await find({ createdTo: new Date(1000) }, [], "before anything");
      await find({ createdFrom: new Date(1000) }, [a, b, c], "since ever");
    });

    once(suite, "pages hold every instance once, newest first or oldest first", async (hub) => {
      const prefix = newId("pages");
      const ids: string[] = [];
      for (let index = 0; index < 7; index++) {
        ids.push((await run(hub, emptyOrchestrator, undefined, { instanceId: `${prefix}/${index}` })).instanceId);
        await hub.after(2);
      }
      const query = { instanceIdPrefix: prefix, pageSize: 3 };
      await eventually(
        hub,
        () => all(hub, query),
        (found) => found.length === 7,
        "seven instances",
      );
      assertEqual(await all(hub, query), ids.toReversed(), "newest first");
      assertEqual(await all(hub, { ...query, order: "oldest" }), ids, "oldest first");
      const first = await hub.client.listInstanceIds({ ...query, order: "oldest" });
      assertEqual(first.instanceIds, ids.slice(0, 3), "the first page of ids");
      assert(first.continuationToken !== undefined, "a full page with more behind it has no continuation token");
      const second = await hub.client.listInstanceIds({
        ...query,
        order: "oldest",
        continuationToken: first.continuationToken,
      });
      assertEqual(second.instanceIds, ids.slice(3, 6), "the second page of ids");
    });

    once(suite, "payloads come only when they are asked for", async (hub) => {
      const { instanceId } = await run(hub, singleOrchestrator, "you");
      const find = async (fetchPayloads: boolean): Promise<readonly unknown[]> => {
        const query = { instanceIdPrefix: instanceId, runtimeStatus: ["COMPLETED" as const], fetchPayloads };
        const { instances } = await eventually(
          hub,
          () => hub.client.queryInstances(query),
          (page) => page.instances.length === 1,
          "it",
        );
        return [instances[0]?.input, instances[0]?.output];
      };
      assertEqual(await find(false), [undefined, undefined], "without payloads");
      assertEqual(await find(true), ['"you"', '"Hello, you!"'], "with payloads");
      const brief = await hub.client.fetchOrchestrationMetadata(instanceId, { fetchPayloads: false });
      assertEqual([brief.input, brief.output], [undefined, undefined], "metadata without payloads");
    });

    once(suite, "a purged instance is no longer listed", async (hub) => {
      const { instanceId } = await run(hub, emptyOrchestrator);
      const ask = async (): Promise<number> =>
        (await hub.client.listInstanceIds({ instanceIdPrefix: instanceId })).instanceIds.length;
      await eventually(hub, ask, (count) => count === 1, "listed");
      await hub.client.purgeOrchestrationState(instanceId);
      await eventually(hub, ask, (count) => count === 0, "no longer listed");
    });

    once(suite, "a page size or token that cannot be is refused", async (hub) => {
      for (const pageSize of [0, -1, 1.5, Number.NaN, 1001]) {
        await assertRejects(hub.client.queryInstances({ pageSize }), "invalid_argument", `page size ${pageSize}`);
      }
      await assertRejects(hub.client.listInstanceIds({ continuationToken: "nonsense" }), "invalid_argument", "token");
      await assertRejects(hub.client.queryInstances({ createdFrom: new Date(Number.NaN) }), "invalid_argument", "date");
    });
  });

  suite.runner.describe("history", () => {
    twice(suite, "the history of a single activity is the reference's, event by event", async (hub) => {
      const done = await run(hub, singleOrchestrator, "you");
      assertEqual(
        await historyKinds(hub, done.instanceId),
        [
          "orchestratorStarted",
          "executionStarted",
          "taskScheduled#0",
          "orchestratorStarted",
          "taskCompleted",
          "executionCompleted#1",
        ],
        "history",
      );
      return outcome(hub, done);
    });

    twice(suite, "the history of a timer is the reference's, and turn times never go back", async (hub) => {
      const done = await run(hub, timerOrchestrator, 20);
      assertEqual(
        await historyKinds(hub, done.instanceId),
        [
          "orchestratorStarted",
          "executionStarted",
          "timerCreated#0",
          "orchestratorStarted",
          "timerFired",
          "executionCompleted#1",
        ],
        "history",
      );
      const events = await hub.client.getInstanceHistory(done.instanceId);
      const turns = events.filter(({ eventType }) => eventType.case === "orchestratorStarted");
      const times = turns.map(({ timestamp }) => Number(timestamp?.seconds ?? 0n) * 1e9 + (timestamp?.nanos ?? 0));
      assertEqual(
        times.toSorted((one, other) => one - other),
        times,
        "turn times",
      );
    });

    once(suite, "the history of an unknown instance is refused", async (hub) => {
      const error = await assertRejects(
        hub.client.getInstanceHistory(newId("unknown")),
        "instance_not_found",
        "history",
      );
      assertContains(error.message, "no such instance exists", "message");
    });
  });
}
