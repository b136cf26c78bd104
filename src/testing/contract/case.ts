import type { OrchestrationMetadata } from "../../core/hub/metadata.ts";
import type { ScheduleOptions } from "../../core/hub/task-hub-client.ts";
import type { OrchestratorReference } from "../../core/orchestration/context.ts";
import type { HistoryEvent } from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { assertEqual, ContractViolation } from "./assert.ts";
import type { ContractRunner } from "./runner.ts";
import type { CacheWay, ClientSetup, ContractHub, ContractHubOptions } from "./setup.ts";

/** What every file of client-level tests is given. */
export interface ClientSuite {
  readonly runner: ContractRunner;
  readonly setup: ClientSetup;
}

/** How the two ways are called in test names. */
const WAY_NAMES: Readonly<Record<CacheWay, string>> = {
  kept: "orchestrators kept between turns",
  evicted: "orchestrators evicted after every turn",
};

/**
 * A test that is run twice: with orchestrators kept in memory between turns and with every one evicted after each turn. What
 * the body returns must be the same both times.
 */
export function twice(
  suite: ClientSuite,
  name: string,
  body: (hub: ContractHub, cache: CacheWay) => Promise<unknown>,
  options: Omit<ContractHubOptions, "cache"> = {},
): void {
  const outcomes = new Map<CacheWay, unknown>();
  for (const cache of ["kept", "evicted"] as const) {
    suite.runner.it(`${name} (${WAY_NAMES[cache]})`, async () => {
      const hub = await suite.setup.openHub({ ...options, cache });
      try {
        outcomes.set(cache, await body(hub, cache));
      } finally {
        await hub.close();
      }
      if (outcomes.has("kept") && outcomes.has("evicted")) {
        assertEqual(outcomes.get("evicted"), outcomes.get("kept"), "the outcome when evicted, against when kept");
      }
    });
  }
}

/** A test that is run once, for calls that run no orchestrator's code. */
export function once(suite: ClientSuite, name: string, body: (hub: ContractHub) => Promise<void>): void {
  suite.runner.it(name, async () => {
    const hub = await suite.setup.openHub({ cache: "kept" });
    try {
      await body(hub);
    } finally {
      await hub.close();
    }
  });
}

const origin = Math.random().toString(36).slice(2, 8);
let counter = 0;

/** An instance id that no other test uses, also when tests share a hub. */
export function newId(hint: string): string {
  return `${hint}-${origin}-${++counter}`;
}

/** Schedules an orchestration under a new id. */
export async function begin<I>(
  hub: Pick<ContractHub, "client">,
  orchestrator: OrchestratorReference<I, unknown>,
  input?: I,
  options: ScheduleOptions = {},
): Promise<string> {
  const instanceId = options.instanceId ?? newId(orchestrator.name.replace("contract.", ""));
  await hub.client.scheduleNewOrchestration(orchestrator, input, { ...options, instanceId });
  return instanceId;
}

/** Waits for the end of an orchestration. */
export function end(hub: ContractHub, instanceId: string): Promise<OrchestrationMetadata> {
  return hub.until(hub.client.waitForOrchestrationCompletion(instanceId));
}

/** Runs an orchestration to its end. */
export async function run<I>(
  hub: ContractHub,
  orchestrator: OrchestratorReference<I, unknown>,
  input?: I,
  options: ScheduleOptions = {},
): Promise<OrchestrationMetadata> {
  return end(hub, await begin(hub, orchestrator, input, options));
}

/** The output of an ended orchestration as a value. */
export function output(hub: Pick<ContractHub, "client">, metadata: OrchestrationMetadata): unknown {
  if (metadata.runtimeStatus !== "COMPLETED") {
    const { runtimeStatus, failureDetails } = metadata;
    throw new ContractViolation(
      `'${metadata.instanceId}' ended as ${runtimeStatus}: ${failureDetails?.errorMessage ?? ""}`,
    );
  }
  return hub.client.outputOf(metadata);
}

/**
 * What must not depend on how orchestrators are kept: how it ended, and which events its history has (turns apart, since
 * results may join in one turn or in two).
 */
export async function outcome(hub: Pick<ContractHub, "client">, metadata: OrchestrationMetadata): Promise<unknown> {
  const { instanceId, runtimeStatus, failureDetails, customStatus, generation } = metadata;
  const events = await hub.client.getInstanceHistory(instanceId);
  const neutral = (text: string | undefined): string | undefined => text?.replaceAll(instanceId, "<id>");
  return {
    runtimeStatus,
    generation,
    output: neutral(metadata.output),
    customStatus: neutral(customStatus),
    failure: neutral(failureDetails?.errorMessage),
    events: events
      .filter(({ eventType }) => eventType.case !== "orchestratorStarted")
      .map((event) => kindAndId(event))
      .sort(),
  };
}

/** The kinds of a history's events, with the ids of actions: `taskScheduled#0`. */
function kindAndId({ eventType, eventId }: HistoryEvent): string {
  return eventId < 0 ? (eventType.case ?? "unknown") : `${eventType.case ?? "unknown"}#${eventId}`;
}

/** The kinds of a stored history, in order. */
export async function historyKinds(hub: Pick<ContractHub, "client">, instanceId: string): Promise<string[]> {
  return (await hub.client.getInstanceHistory(instanceId)).map(kindAndId);
}

/** Waits until the condition holds of the instance, letting time pass meanwhile. */
export async function until(
  hub: ContractHub,
  instanceId: string,
  condition: (metadata: OrchestrationMetadata) => boolean,
  what: string,
): Promise<OrchestrationMetadata> {
  let last: OrchestrationMetadata | undefined;
  for (let tries = 0; tries < 300; tries++) {
    last = await hub.client.fetchOrchestrationMetadata(instanceId);
    if (condition(last)) return last;
    await hub.after(tries === 0 ? 0 : 5);
  }
  throw new ContractViolation(`'${instanceId}' never got to: ${what}. Last seen: ${JSON.stringify(last)}`);
}

/** Asks again until the answer is as expected: for what may lag behind, such as lists. */
export async function eventually<T>(
  hub: ContractHub,
  ask: () => Promise<T>,
  isRight: (answer: T) => boolean,
  what: string,
): Promise<T> {
  let answer: T | undefined;
  for (let tries = 0; tries < 300; tries++) {
    answer = await ask();
    if (isRight(answer)) return answer;
    await hub.after(tries === 0 ? 0 : 5);
  }
  throw new ContractViolation(`${what}: never so; last answer ${JSON.stringify(answer)}`);
}

/** The recorded runs of an instance's activities that begin with a word. */
export async function runs(hub: ContractHub, instanceId: string, word: string): Promise<readonly string[]> {
  return (await hub.recorder.entries(instanceId)).filter((entry) => entry.startsWith(word));
}
