/** The sample Worker, from outside, in a workerd of its own: it publishes files of this repository. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunningWorker } from "./support/miniflare.ts";
import {
  awaitsApproval,
  deleteFolder,
  expectEachEffectOnce,
  expectManifestOf,
  filesOf,
  formOf,
  hasEnded,
  json,
  newFolder,
  pathOf,
  publish,
  startSample,
  tell,
  until,
} from "./support/publications.ts";

const persist = newFolder();
let worker: RunningWorker;
beforeAll(async () => {
  worker = await startSample(persist);
});
afterAll(async () => {
  await worker.stop();
  deleteFolder(persist);
});

test("a folder of this repository is published once somebody approves of it", async () => {
  const files = filesOf("src/core/hub");
  const id = await publish(worker, formOf(files));
  const waiting = await until(worker, id, awaitsApproval);
  expect(waiting.waiting).toMatch(/^waiting for event 'approval' until /);
  expect((await worker.fetch(`/publications/${id}/manifest.json`)).status).toBe(404);
  expect((await tell(worker, id, "approve", { by: "Ada" })).status).toBe(202);
  const ended = await until(worker, id, hasEnded);
  expectManifestOf(files, ended);
  expect(ended.output?.approvedBy).toBe("Ada");
  expect(await json(worker.fetch(`/publications/${id}/manifest.json`))).toEqual(ended.output);
  await expectEachEffectOnce(worker, id);
});

test("an approval that comes before it is waited for counts", async () => {
  const id = await publish(worker, formOf([["a.txt", "a"]]));
  await tell(worker, id, "approve");
  expect((await until(worker, id, hasEnded)).output).toMatchObject({ status: "published", approvedBy: "anonymous" });
});

test("what was published is served, compressed, and said not to have changed when it has not", async () => {
  const content = "# Grüße\n".repeat(1000);
  const large = Buffer.alloc(3_000_000, "0123456789abcdefghijklmnopqrstuvwxyz,");
  const id = await publish(
    worker,
    formOf([
      ["docs/grüße & more.md", content],
      ["empty", ""],
      ["large.bin", large],
    ]),
  );
  await tell(worker, id, "approve");
  await until(worker, id, hasEnded);
  const files = `/publications/${id}/files`;
  const path = `${files}/docs/${encodeURIComponent("grüße & more.md")}`;
  const response = await worker.fetch(path);
  expect(response.headers.get("content-type")).toBe("text/markdown; charset=utf-8");
  expect(response.headers.get("content-encoding")).toBe("gzip");
  expect(response.headers.get("content-security-policy")).toContain("sandbox");
  expect(await response.text()).toBe(content);
  const etag = response.headers.get("etag") ?? "";
  expect(etag).toBe(`"${createHash("sha256").update(content).digest("hex")}"`);
  expect((await worker.fetch(path, { headers: { "if-none-match": etag } })).status).toBe(304);
  expect(await (await worker.fetch(`${files}/empty`)).text()).toBe("");
  expect(large.equals(new Uint8Array(await (await worker.fetch(`${files}/large.bin`)).arrayBuffer()))).toBe(true);
  expect(await json(worker.fetch(`${files}/none`))).toMatchObject({ error: { code: "not_found" } });
});

test("the files of a rejected publication are deleted", async () => {
  const id = await publish(worker, formOf([["a.txt", "a"]]));
  await until(worker, id, awaitsApproval);
  await tell(worker, id, "reject", { by: "Bob", reason: "not yet" });
  const { output, runtimeStatus } = await until(worker, id, hasEnded);
  expect(runtimeStatus).toBe("COMPLETED");
  expect(output).toEqual({ status: "rejected", publication: id, rejectedBy: "Bob", reason: "not yet" });
  const gone = await json(worker.fetch(`/publications/${id}/files/a.txt`));
  expect(gone).toMatchObject({ error: { code: "not_published" } });
  // What is gone cannot be published again: that is said at once, and not after five attempts.
  await tell(worker, id, "restart");
  const again = await until(worker, id, ({ runtimeStatus }) => runtimeStatus === "FAILED");
  expect(again.failure?.errorMessage).toMatch(/are gone: upload them again/);
});

test("a publication that nobody approves of in time is given up", async () => {
  const id = await publish(worker, formOf([["a.txt", "a"]], { approvalTimeout: "50ms" }));
  const { output } = await until(worker, id, hasEnded);
  expect(output).toEqual({ status: "expired", publication: id });
});

test("an instance is suspended, resumed, terminated, listed and deleted, whatever its id", async () => {
  const id = await publish(worker, formOf([["a.txt", "a"]], { id: "to be/stopped? 100 %" }));
  expect((await tell(worker, id, "suspend", { reason: "lunch" })).status).toBe(202);
  await until(worker, id, ({ runtimeStatus }) => runtimeStatus === "SUSPENDED");
  expect((await tell(worker, id, "resume")).status).toBe(202);
  await until(worker, id, awaitsApproval);
  expect((await worker.fetch(pathOf(id), { method: "DELETE" })).status).toBe(409);
  expect((await tell(worker, id, "terminate", { reason: "enough" })).status).toBe(202);
  await until(worker, id, ({ runtimeStatus }) => runtimeStatus === "TERMINATED");
  const list = () => json<{ instances: { instanceId: string }[] }>(worker.fetch("/api/instances?status=TERMINATED"));
  await expect.poll(async () => (await list()).instances.map(({ instanceId }) => instanceId)).toEqual([id]);
  expect(await json(worker.fetch(pathOf(id), { method: "DELETE" }))).toEqual({ purged: 1 });
  expect((await worker.fetch(pathOf(id))).status).toBe(404);
  await expect.poll(async () => (await list()).instances).toEqual([]);
});

test("the list has pages, newest first", async () => {
  const seen: string[] = [];
  let continuation: string | null = "";
  do {
    const query = continuation === "" ? "" : `&continuation=${encodeURIComponent(continuation)}`;
    const page: { instances: { createdAt: string }[]; continuation: string | null } = await json(
      worker.fetch(`/api/instances?pageSize=2${query}`),
    );
    seen.push(...page.instances.map(({ createdAt }) => createdAt));
    continuation = page.continuation;
  } while (continuation !== null);
  expect(seen.length).toBeGreaterThan(4);
  expect(seen).toEqual([...seen].sort().reverse());
});

test("the page runs nothing but its own script", async () => {
  const response = await worker.fetch("/");
  const html = await response.text();
  const policy = response.headers.get("content-security-policy") ?? "";
  const [, script = ""] = /<script>([\s\S]*)<\/script>/.exec(html) ?? [];
  expect(policy).toContain(`script-src 'sha256-${createHash("sha256").update(script).digest("base64")}'`);
  expect(policy).toContain("default-src 'none'");
  expect(html).not.toMatch(/(src|href)="https?:/);
  expect(() => new Function(script)).not.toThrow();
});
