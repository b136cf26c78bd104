/** The sample Worker takes a file in chunks, in any order and again and again, and keeps it when its hash is right. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunningWorker } from "./support/miniflare.ts";
import { deleteFolder, json, newFolder, startSample } from "./support/publications.ts";

interface Status {
  readonly missing: readonly number[];
  readonly finished: boolean;
}

const persist = newFolder();
let worker: RunningWorker;
beforeAll(async () => {
  worker = await startSample(persist);
});
afterAll(async () => {
  await worker.stop();
  deleteFolder(persist);
});

const file = readFileSync(new URL("../../package-lock.json", import.meta.url));
const chunkBytes = 64 * 1024;
const chunks = Math.ceil(file.length / chunkBytes);
const indexes = Array.from({ length: chunks }, (_, index) => index);
const sha256 = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");
const digestOf = (content: Uint8Array): string => `sha-256=:${createHash("sha256").update(content).digest("base64")}:`;
const declaration = { name: "package-lock.json", bytes: file.length, chunkBytes, sha256: sha256(file) };

let ids = 0;
const newId = (): string => `transfer-of-test-${++ids}`;
const pathOf = (id: string): string => `/api/transfers/${id}`;
const declare = (id: string, what: object = declaration): Promise<Response> =>
  worker.fetch(pathOf(id), { method: "PUT", body: JSON.stringify(what) });
const chunk = (index: number): Buffer => file.subarray(index * chunkBytes, (index + 1) * chunkBytes);
const send = (id: string, index: number | string, body = chunk(Number(index)), digest = digestOf(body)) =>
  worker.fetch(`${pathOf(id)}/chunks/${index}`, {
    method: "PUT",
    body: new Uint8Array(body),
    headers: { "content-digest": digest },
  });
const finish = (id: string): Promise<Response> => worker.fetch(`${pathOf(id)}/finish`, { method: "POST" });

async function sent(id: string): Promise<string> {
  await declare(id);
  for (const index of indexes) await send(id, index);
  return id;
}

test("a file that is sent in chunks, out of order and more than once, is kept as it was", async () => {
  const id = newId();
  expect(await json(declare(id))).toEqual({ ...declaration, chunks, missing: indexes, finished: false });
  expect(chunks).toBeGreaterThan(2);
  for (const index of [...indexes.slice(1).reverse(), 1]) expect((await send(id, index)).status).toBe(200);
  expect(await json<Status>(worker.fetch(pathOf(id)))).toMatchObject({ missing: [0], finished: false });
  await send(id, 0);
  const done = { ...declaration, chunks, missing: [], finished: true };
  expect(await json(finish(id))).toEqual(done);
  // Whoever did not hear the answers asks again.
  expect(await json(finish(id))).toEqual(done);
  expect(await json(send(id, 0))).toEqual(done);
  expect(await json(declare(id))).toEqual(done);
  const content = await worker.fetch(`${pathOf(id)}/content`);
  expect(content.headers.get("content-disposition")).toBe("attachment; filename*=UTF-8''package-lock.json");
  expect(content.headers.get("content-length")).toBe(String(file.length));
  expect(sha256(new Uint8Array(await content.arrayBuffer()))).toBe(declaration.sha256);
  const etag = content.headers.get("etag") ?? "";
  expect((await worker.fetch(`${pathOf(id)}/content`, { headers: { "if-none-match": etag } })).status).toBe(304);
});

test("an empty file needs no chunk", async () => {
  const id = newId();
  await declare(id, { ...declaration, bytes: 0, sha256: sha256(Buffer.alloc(0)) });
  expect(await json<Status>(finish(id))).toMatchObject({ missing: [], finished: true });
  expect(await (await worker.fetch(`${pathOf(id)}/content`)).text()).toBe("");
});

test("what was stored outlives a killed server", async () => {
  const id = newId();
  await declare(id);
  await send(id, 1);
  await worker.kill9();
  worker = await startSample(persist);
  const { missing } = await json<Status>(worker.fetch(pathOf(id)));
  expect(missing).toEqual(indexes.filter((index) => index !== 1));
  for (const index of missing) await send(id, index);
  expect((await finish(id)).status).toBe(200);
});

test("what is deleted is gone, for late chunks too", async () => {
  const id = await sent(newId());
  expect((await worker.fetch(pathOf(id), { method: "DELETE" })).status).toBe(204);
  expect((await worker.fetch(pathOf(id), { method: "DELETE" })).status).toBe(204);
  expect((await send(id, 0)).status).toBe(404);
  expect((await worker.fetch(pathOf(id))).status).toBe(404);
});

test("two chunks that are sent at once are both kept", async () => {
  const id = newId();
  await declare(id);
  await Promise.all(indexes.flatMap((index) => [send(id, index), send(id, index)]));
  expect(await json<Status>(finish(id))).toMatchObject({ missing: [], finished: true });
});

const refusals: readonly (readonly [what: string, ask: () => Promise<Response>, status: number, code: string])[] = [
  ["an unknown transfer", () => worker.fetch(pathOf(newId())), 404, "transfer_not_found"],
  ["a chunk of an unknown transfer", () => send(newId(), 0), 404, "transfer_not_found"],
  ["finishing an unknown transfer", () => finish(newId()), 404, "transfer_not_found"],
  ["the content of an unknown transfer", () => worker.fetch(`${pathOf(newId())}/content`), 404, "transfer_not_found"],
  ["too short an id", () => declare("short"), 400, "invalid_argument"],
  ["too long an id", () => declare("x".repeat(65)), 400, "invalid_argument"],
  ["an id with other characters", () => declare("..%2F..%2F..%2F..%2F..%2Fetc"), 400, "invalid_argument"],
  ["another method", () => worker.fetch(pathOf(newId()), { method: "POST" }), 405, "method_not_allowed"],
  [
    "a declaration that is no JSON",
    () => worker.fetch(pathOf(newId()), { method: "PUT", body: "{" }),
    400,
    "malformed_body",
  ],
  ["no declaration", () => worker.fetch(pathOf(newId()), { method: "PUT" }), 400, "invalid_argument"],
  ["a stray field", () => declare(newId(), { ...declaration, owner: "me" }), 400, "invalid_argument"],
  ["no name", () => declare(newId(), { ...declaration, name: "" }), 400, "invalid_argument"],
  ["a name with a line break", () => declare(newId(), { ...declaration, name: "a\nb" }), 400, "invalid_argument"],
  ["too long a name", () => declare(newId(), { ...declaration, name: "ä".repeat(128) }), 400, "invalid_argument"],
  ["a length that is none", () => declare(newId(), { ...declaration, bytes: "1" }), 400, "invalid_argument"],
  ["a negative length", () => declare(newId(), { ...declaration, bytes: -1 }), 400, "invalid_argument"],
  ["too large a file", () => declare(newId(), { ...declaration, bytes: 2 ** 26 + 1 }), 413, "payload_too_large"],
  ["chunks of nothing", () => declare(newId(), { ...declaration, chunkBytes: 0 }), 400, "invalid_argument"],
  ["too large chunks", () => declare(newId(), { ...declaration, chunkBytes: 2 ** 20 + 1 }), 400, "invalid_argument"],
  ["too many chunks", () => declare(newId(), { ...declaration, chunkBytes: 1 }), 400, "invalid_argument"],
  ["a hash that is none", () => declare(newId(), { ...declaration, sha256: "AB".repeat(32) }), 400, "invalid_argument"],
];

test.each(refusals)("%s is refused", async (_what, ask, status, code) => {
  const response = await ask();
  const body = await response.text();
  expect({ status: response.status, ...(JSON.parse(body) as object) }).toMatchObject({ status, error: { code } });
  expect(body).not.toMatch(/\bat .*:\d+:\d+|\.ts\b|worker\.js/);
});

test("an open transfer refuses what does not belong to it, and goes on", async () => {
  const id = newId();
  await declare(id);
  const codeOf = async (response: Response): Promise<unknown> => [
    response.status,
    ((await response.json()) as { error: { code: string } }).error.code,
  ];
  expect(await codeOf(await declare(id, { ...declaration, name: "other" }))).toEqual([409, "transfer_differs"]);
  expect(await codeOf(await send(id, chunks, chunk(0)))).toEqual([400, "invalid_argument"]);
  for (const index of ["-1", "1.5", "01", "x", ""]) {
    expect(await codeOf(await send(id, index, chunk(0)))).toEqual([400, "invalid_argument"]);
  }
  expect(await codeOf(await send(id, 0, chunk(0).subarray(1)))).toEqual([400, "invalid_argument"]);
  expect(await codeOf(await send(id, 0, Buffer.alloc(2 ** 20 + 1)))).toEqual([413, "payload_too_large"]);
  expect(await codeOf(await send(id, 0, chunk(0), digestOf(chunk(1))))).toEqual([422, "digest_mismatch"]);
  expect(await codeOf(await send(id, 0, chunk(0), ""))).toEqual([400, "invalid_argument"]);
  expect(await codeOf(await send(id, 0, chunk(0), "md5=:AAAA:"))).toEqual([400, "invalid_argument"]);
  expect(await codeOf(await finish(id))).toEqual([409, "transfer_incomplete"]);
  expect(await codeOf(await worker.fetch(`${pathOf(id)}/content`))).toEqual([409, "transfer_incomplete"]);
  for (const index of indexes) expect((await send(id, index)).status).toBe(200);
  expect((await finish(id)).status).toBe(200);
  expect(await codeOf(await send(id, 0, Buffer.from(chunk(1))))).toEqual([409, "transfer_differs"]);
});

test("a file whose chunks do not make up the declared hash is not finished until they do", async () => {
  const id = newId();
  await declare(id);
  for (const index of indexes) await send(id, index, index === 1 ? chunk(0) : chunk(index));
  const response = await finish(id);
  expect([response.status, await response.json()]).toMatchObject([422, { error: { code: "digest_mismatch" } }]);
  await send(id, 1);
  expect((await finish(id)).status).toBe(200);
});
