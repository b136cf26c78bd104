/** Hubs for the tests inside a browser: opened with small orchestrations, closed and deleted after each test. */
import { afterEach } from "vitest";
import {
  type HubEvent,
  type HubSurroundings,
  type OpenTaskHubOptions,
  openTaskHub,
  type TaskHub,
} from "../../../src/backends/indexeddb/index.ts";
import { defineActivity, defineOrchestrator, silentLogger, TaskRegistry } from "../../../src/core/index.ts";
import { deleteDatabase, newHubName, sleep } from "./setup.ts";

export { newHubName, sleep };

const add = defineActivity("add", (_ctx, n: number): number => n + 1);

/** Counts up by so many activities. */
export const count = defineOrchestrator("count", async (ctx, steps: number): Promise<number> => {
  let n = 0;
  for (let i = 0; i < steps; i++) n = await ctx.callActivity(add, n);
  return n;
});

/** Waits for the event `go`, and gives its payload. */
export const wait = defineOrchestrator("wait", async (ctx) => ctx.waitForExternalEvent<string>("go"));

/** The code that every test hub has. */
export function basicRegistry(): TaskRegistry {
  return new TaskRegistry().add(add, count, wait);
}

const open: TaskHub[] = [];
const names = new Set<string>();

/** Opens a hub that is closed after the test. */
export async function openHub(
  options: Partial<OpenTaskHubOptions> & { readonly name: string },
  surroundings: HubSurroundings = {},
): Promise<TaskHub> {
  names.add(options.name);
  const hub = await openTaskHub({ registry: basicRegistry(), logger: silentLogger(), ...options }, surroundings);
  open.push(hub);
  return hub;
}

afterEach(async () => {
  for (const hub of open.splice(0)) await hub.close();
  for (const name of names) await deleteDatabase(name);
  names.clear();
});

/** Counts to `steps` and gives the result. */
export async function run(hub: TaskHub, steps: number): Promise<unknown> {
  const id = await hub.client.scheduleNewOrchestration(count, steps);
  return hub.client.outputOf(await hub.client.waitForOrchestrationCompletion(id, { timeout: "20s" }));
}

/** The code of the error that a promise rejects with; `undefined` when it resolves. */
export async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return (error as { readonly code?: string }).code ?? String(error);
  }
}

/** Waits until the condition holds. */
export async function until(condition: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const endMs = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > endMs) throw new Error(`never so: ${condition.toString()}`);
    await sleep(10);
  }
}

/** The hub's events of a type, as they come. */
export function heard<T extends HubEvent["type"]>(hub: TaskHub, type: T): Extract<HubEvent, { type: T }>[] {
  const events: Extract<HubEvent, { type: T }>[] = [];
  hub.events.on(type, (event) => events.push(event as Extract<HubEvent, { type: T }>));
  return events;
}
