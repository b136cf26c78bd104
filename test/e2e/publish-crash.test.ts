/** The sample Worker's publications survive the death of workerd, at every kind of pending work. */
import { createHash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { RunningWorker } from "./support/miniflare.ts";
import {
  awaitsApproval,
  deleteFolder,
  expectEachEffectOnce,
  expectManifestOf,
  type Files,
  filesOf,
  formOf,
  hasEnded,
  historyOf,
  newFolder,
  publish,
  startSample,
  tell,
  until,
} from "./support/publications.ts";

const persist = newFolder();
let worker: RunningWorker | undefined;
afterEach(async () => {
  await worker?.stop();
  deleteFolder(persist);
});

/** Kills workerd and starts another one on the same storage. */
async function crash(killed: RunningWorker): Promise<RunningWorker> {
  await killed.kill9();
  worker = await startSample(persist);
  return worker;
}

/** Files that take their time to compress, so that there is a middle to be killed in. */
function slowFiles(count: number): Files {
  const block = (file: number, at: number): Buffer => createHash("sha512").update(`${file} ${at}`).digest();
  const content = (file: number): Buffer => Buffer.concat(Array.from({ length: 16_000 }, (_, at) => block(file, at)));
  return new Map(Array.from({ length: count }, (_, file) => [`slow/${file}.bin`, content(file)]));
}

function bytesBelow(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  // One may be gone by the time that it is asked about.
  const sizes = files.map((file) => statSync(join(file.parentPath, file.name), { throwIfNoEntry: false })?.size ?? 0);
  return sizes.reduce((sum, size) => sum + size, 0);
}

test("workerd is killed in a retry's delay, among the files, at the approval and right after it: the run ends", async () => {
  const files: Files = new Map([...filesOf("src/core/history"), ...slowFiles(20)]);
  let current = await startSample(persist);
  worker = current;
  const id = await publish(current, formOf(files));

  await until(current, id, ({ waiting }) => waiting.includes("retry (attempt 2)"));
  current = await crash(current);
  // Compressing keeps workerd too busy to say how far it is: that results are written shows on disk.
  const before = bytesBelow(persist);
  // Asked about, the object wakes at once; else its alarm would wake it, half a minute after it was armed.
  const asked = until(current, id, () => true).catch(() => undefined);
  await expect.poll(() => bytesBelow(persist), { interval: 2, timeout: 30_000 }).toBeGreaterThan(before + 2_000_000);
  const killedAt = Date.now();
  current = await crash(current);
  await asked;

  await until(current, id, awaitsApproval);
  current = await crash(current);

  expect((await tell(current, id, "approve", { by: "Ada" })).status).toBe(202);
  current = await crash(current);

  const ended = await until(current, id, hasEnded);
  expectManifestOf(files, ended);
  await expectEachEffectOnce(current, id);
  const events = await historyOf(current, id);
  const timesOf = (type: string): number[] =>
    events.filter((event) => event.type === type).map(({ timestamp }) => Date.parse(timestamp));
  expect(killedAt).toBeGreaterThan(Math.max(...timesOf("taskScheduled")));
  expect(killedAt).toBeLessThan(Math.max(...timesOf("taskCompleted")));
  const [path = "", content] = [...files].at(-1) ?? [];
  const served = await (await current.fetch(`/publications/${id}/files/${path}`)).arrayBuffer();
  expect(Buffer.from(served).equals(content ?? Buffer.of())).toBe(true);
});
