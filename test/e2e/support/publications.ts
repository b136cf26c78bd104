/** What the tests of the sample Worker share: starting it, publishing, waiting, and judging a history. */
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { type RunningWorker, startWorker } from "./miniflare.ts";

/** What of an instance the tests read. */
export interface Instance {
  readonly runtimeStatus: string;
  readonly waiting: string;
  readonly customStatus?: { readonly phase: string; readonly done: number; readonly total: number };
  readonly output?: Manifest;
  readonly failure?: { readonly errorMessage: string };
}

interface Manifest {
  readonly status: string;
  readonly approvedBy?: string;
  readonly totals: { readonly files: number; readonly bytes: number };
  readonly files: readonly { path: string; bytes: number; gzipBytes: number; sha256: string }[];
}

/** What of a history event the tests read. */
export interface HistoryEvent {
  readonly type: string;
  readonly timestamp: string;
  readonly eventId: number;
  readonly taskScheduledId?: number;
  readonly timerId?: number;
}

const root = new URL("../../../", import.meta.url).pathname;

/** A new folder for storage. */
export function newFolder(): string {
  return mkdtempSync(join(tmpdir(), "perdura-e2e-"));
}

/** Deletes a folder, and all in it. */
export function deleteFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** Starts the sample Worker; open unless other variables are given. */
export function startSample(
  persist: string,
  bindings: Readonly<Record<string, string>> = { PERDURA_OPEN: "1" },
): Promise<RunningWorker> {
  return startWorker({
    entry: "worker/index.ts",
    persist,
    bindings,
    durableObjects: {
      ORCHESTRATIONS: "OrchestrationObject",
      HUB_INDEX: "HubIndexObject",
      DISPATCHER: "DispatcherObject",
      FILES: "FilesObject",
      TRANSFERS: "TransferObject",
    },
  });
}

/** Files by path, in the order in which they are sent. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** The files below a folder of this repository. */
export function filesOf(folder: string): Files {
  const names = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(files.map((file) => [file.slice(root.length), readFileSync(file)]));
}

/** A form of files and fields. */
export function formOf(
  files: Iterable<readonly [string, Uint8Array | string]>,
  fields: Readonly<Record<string, string>> = {},
): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  for (const [path, content] of files) form.append("files", new Blob([Buffer.from(content)]), path);
  return form;
}

/** The JSON of an answer. */
export async function json<T>(response: Promise<Response>): Promise<T> {
  return (await (await response).json()) as T;
}

/** Where an instance is. */
export function pathOf(id: string): string {
  return `/api/instances/${encodeURIComponent(id)}`;
}

/** Publishes a form's files. Returns the instance's id. */
export async function publish(worker: RunningWorker, body: FormData): Promise<string> {
  const response = await worker.fetch("/publish", { method: "POST", body });
  expect(response.status).toBe(202);
  const { instanceId, statusUrl } = (await response.json()) as { instanceId: string; statusUrl: string };
  expect(statusUrl).toBe(pathOf(instanceId));
  return instanceId;
}

/** Tells an instance to do something. */
export function tell(worker: RunningWorker, id: string, verb: string, body?: object): Promise<Response> {
  const init = body === undefined ? {} : { body: JSON.stringify(body) };
  return worker.fetch(`${pathOf(id)}/${verb}`, { method: "POST", ...init });
}

/** Looks at an instance until the condition holds. */
export async function until(
  worker: RunningWorker,
  id: string,
  condition: (instance: Instance) => boolean,
): Promise<Instance> {
  for (const giveUpAt = Date.now() + 60_000; ; await sleep(5)) {
    const instance = await json<Instance>(worker.fetch(pathOf(id)));
    if (condition(instance)) return instance;
    if (Date.now() > giveUpAt) throw new Error(`it came to nothing: ${JSON.stringify(instance)}`);
  }
}

/** An instance's history. */
export async function historyOf(worker: RunningWorker, id: string): Promise<readonly HistoryEvent[]> {
  return (await json<{ events: HistoryEvent[] }>(worker.fetch(`${pathOf(id)}/history`))).events;
}

/** A condition: it waits for its approval. */
export const awaitsApproval = ({ customStatus }: Instance): boolean => customStatus?.phase === "awaiting approval";

/** A condition: it has ended. */
export const hasEnded = ({ runtimeStatus }: Instance): boolean =>
  !["PENDING", "RUNNING", "SUSPENDED", "STALLED"].includes(runtimeStatus);

/** The output is the manifest of just these files, hashes as Node counts them. */
export function expectManifestOf(files: Files, { output }: Instance): void {
  const expected = Array.from(files, ([path, content]) => ({
    path,
    bytes: content.length,
    sha256: createHash("sha256").update(content).digest("hex"),
  }));
  expect(output?.status).toBe("published");
  expect(output?.files.map(({ path, bytes, sha256 }) => ({ path, bytes, sha256 }))).toEqual(expected);
  const bytes = expected.reduce((sum, file) => sum + file.bytes, 0);
  expect(output?.totals).toMatchObject({ files: files.size, bytes });
}

/** Every scheduled activity and child has just one result, no timer fires twice, and there is one start, decision and end. */
export async function expectEachEffectOnce(worker: RunningWorker, id: string): Promise<void> {
  const events = await historyOf(worker, id);
  const idsOf = (...types: string[]): number[] =>
    events
      .filter(({ type }) => types.includes(type))
      .map(({ eventId, taskScheduledId, timerId }) => taskScheduledId ?? timerId ?? eventId)
      .sort((one, other) => one - other);
  const scheduled = idsOf("taskScheduled");
  expect(new Set(scheduled).size).toBe(scheduled.length);
  expect(idsOf("taskCompleted", "taskFailed")).toEqual(scheduled);
  expect(idsOf("subOrchestrationInstanceCompleted", "subOrchestrationInstanceFailed")).toEqual(
    idsOf("subOrchestrationInstanceCreated"),
  );
  const fired = idsOf("timerFired");
  expect(new Set(fired).size).toBe(fired.length);
  expect(idsOf("timerCreated")).toEqual(expect.arrayContaining(fired));
  for (const type of ["executionStarted", "executionCompleted", "eventRaised"]) {
    expect(events.filter((event) => event.type === type)).toHaveLength(1);
  }
}
