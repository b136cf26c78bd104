import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningWorker, startWorker } from "./support/miniflare.ts";
import { deleteFolder, newFolder } from "./support/publications.ts";

interface Listed {
  readonly instances: readonly { readonly instanceId: string; readonly name: string; readonly runtimeStatus: string }[];
}

interface Recorded {
  readonly eventId: number;
  readonly kind: string;
  readonly resolves?: number;
}

/** What is started, and what it must come to. */
const RUNS: readonly { readonly name: string; readonly input: number; readonly output: unknown }[] = [
  { name: "chain", input: 25, output: 25 },
  { name: "generatorChain", input: 25, output: 25 },
  { name: "crowd", input: 30, output: 30 },
  { name: "family", input: 4, output: 12 },
  { name: "naps", input: 10, output: 10 },
  { name: "generations", input: 12, output: 1 },
  { name: "relay", input: 10, output: 10 },
];
const ROUNDS = 3;

let folder = "";
let worker: RunningWorker;

beforeAll(() => {
  folder = newFolder();
});

afterAll(async () => {
  await worker?.stop();
  deleteFolder(folder);
});

const start = (): Promise<RunningWorker> =>
  startWorker({
    entry: "test/e2e/crash-worker/index.ts",
    persist: folder,
    durableObjects: { ORCHESTRATIONS: "OrchestrationObject", HUB_INDEX: "HubIndexObject" },
  });

const ask = async <T>(path: string): Promise<T> => (await (await worker.fetch(path)).json()) as T;

/** Every action of a history has exactly one effect: nothing is scheduled or resolved twice. */
function expectOnce(id: string, history: readonly Recorded[]): void {
  const scheduled = history.filter(({ kind, eventId }) => eventId >= 0 && kind !== "executionCompleted");
  expect(new Set(scheduled.map(({ eventId }) => eventId)).size, `${id}: scheduled once`).toBe(scheduled.length);
  const resolved = history.filter(({ resolves }) => resolves !== undefined).map(({ resolves }) => resolves);
  expect(new Set(resolved).size, `${id}: resolved once`).toBe(resolved.length);
  for (const { eventId, kind } of scheduled) {
    if (kind !== "eventSent") expect(resolved, `${id}: ${kind} ${eventId} has a result`).toContain(eventId);
  }
  expect(history.filter(({ kind }) => kind === "executionCompleted")).toHaveLength(1);
}

test("workerd is killed again and again in the middle of everything, and every instance ends right, by its alarms alone", async () => {
  worker = await start();
  const expected = new Map<string, unknown>();
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(
      RUNS.map(async ({ name, input, output }) => {
        const id = `${name}-${round}`;
        expected.set(id, output);
        if (name === "relay") {
          expected.set(
            `${id}-target`,
            Array.from({ length: input }, (_, index) => index),
          );
          await worker.fetch(`/start?id=${id}-target&name=collector&input=${input}`);
        }
        const response = await worker.fetch(`/start?id=${id}&name=${name}&input=${input}`);
        expect(response.status).toBe(200);
      }),
    );
    await sleep(60 + round * 170);
    await worker.kill9();
    worker = await start();
  }
  // Only the index is asked: whatever wakes an instance's object, it is not this test.
  const deadline = Date.now() + 90_000;
  let left: readonly string[] = [...expected.keys()];
  while (left.length > 0 && Date.now() < deadline) {
    await sleep(500);
    const { instances } = await ask<Listed>("/list");
    const ended = new Set(
      instances.filter(({ runtimeStatus }) => runtimeStatus === "COMPLETED").map(({ instanceId }) => instanceId),
    );
    left = left.filter((id) => !ended.has(id));
  }
  expect(left, "instances that did not end").toEqual([]);
  for (const [id, output] of expected) {
    const metadata = await ask<{ readonly output: string }>(`/metadata?id=${id}`);
    expect(JSON.parse(metadata.output), id).toEqual(output);
    expectOnce(id, await ask<Recorded[]>(`/history?id=${id}`));
  }
}, 180_000);
