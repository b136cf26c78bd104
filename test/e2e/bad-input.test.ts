/** Whatever the sample Worker cannot take is answered with a code and a sentence, and no instance suffers from it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunningWorker } from "./support/miniflare.ts";
import {
  awaitsApproval,
  deleteFolder,
  expectEachEffectOnce,
  formOf,
  hasEnded,
  newFolder,
  publish,
  startSample,
  tell,
  until,
} from "./support/publications.ts";

const persist = newFolder();
let worker: RunningWorker;
beforeAll(async () => {
  worker = await startSample(persist);
  await publish(worker, formOf(one, { id: "open" }));
  await publish(worker, formOf(one, { id: "ended" }));
  await tell(worker, "ended", "approve");
  await until(worker, "ended", hasEnded);
  await until(worker, "open", awaitsApproval);
});
afterAll(async () => {
  await worker.stop();
  deleteFolder(persist);
});

const big = new Uint8Array(4 * 1024 * 1024 + 1);
const form = (files: Iterable<readonly [string, Uint8Array | string]>, fields?: Readonly<Record<string, string>>) => ({
  method: "POST",
  body: formOf(files, fields),
});
const one = [["a.txt", "a"]] as const;
const send = (body: string, method = "POST") => ({ method, body });
const multipart = { "content-type": "multipart/form-data; boundary=x" };

const cases: readonly (readonly [what: string, path: string, init: RequestInit, status: number, code: string])[] = [
  ["an unknown path", "/nothing", {}, 404, "not_found"],
  ["a known path with another method", "/publish", {}, 405, "method_not_allowed"],
  ["a badly encoded id", "/api/instances/%E0%A4%A", {}, 400, "invalid_argument"],
  ["an empty id", "/api/instances/", {}, 400, "invalid_argument"],
  ["an empty id to approve", "/api/instances//approve", send("{}"), 400, "invalid_argument"],
  ["an over-long id", `/api/instances/${"x".repeat(513)}`, {}, 400, "invalid_argument"],
  ["an over-long id to start", "/publish", form(one, { id: "x".repeat(513) }), 400, "invalid_argument"],
  ["an id that no address can hold", "/publish", form(one, { id: ".." }), 400, "invalid_argument"],
  ["an empty id to start", "/publish", form(one, { id: "" }), 400, "invalid_argument"],
  ["an unknown instance", "/api/instances/nobody", {}, 404, "instance_not_found"],
  ["the history of an unknown instance", "/api/instances/nobody/history", {}, 404, "instance_not_found"],
  ["an event to an unknown instance", "/api/instances/nobody/approve", send("{}"), 404, "instance_not_found"],
  ["suspending an unknown instance", "/api/instances/nobody/suspend", send("{}"), 404, "instance_not_found"],
  ["deleting an unknown instance", "/api/instances/nobody", { method: "DELETE" }, 404, "instance_not_found"],
  ["an event to an ended instance", "/api/instances/ended/approve", send("{}"), 409, "instance_completed"],
  ["rewinding what has not failed", "/api/instances/ended/rewind", send("{}"), 409, "instance_completed"],
  ["restarting what runs", "/api/instances/open/restart", send("{}"), 409, "instance_not_completed"],
  ["deleting what runs", "/api/instances/open", { method: "DELETE" }, 409, "instance_not_completed"],
  ["a taken id", "/publish", form(one, { id: "open" }), 409, "instance_exists"],
  ["malformed JSON", "/api/instances/open/approve", send("{"), 400, "malformed_body"],
  ["JSON that is no object", "/api/instances/open/approve", send("[]"), 400, "malformed_body"],
  [
    "bytes that are no text",
    "/api/instances/open/approve",
    { method: "POST", body: new Uint8Array([255]) },
    400,
    "malformed_body",
  ],
  ["a field that means nothing", "/api/instances/open/approve", send('{"bye":"x"}'), 400, "invalid_argument"],
  ["a field of another type", "/api/instances/open/approve", send('{"by":1}'), 400, "invalid_argument"],
  [
    "an oversized JSON body",
    "/api/instances/open/approve",
    send(`{"by":"${"x".repeat(70_000)}"}`),
    413,
    "payload_too_large",
  ],
  ["an unknown status", "/api/instances?status=LOST", {}, 400, "invalid_argument"],
  ["a continuation of our own making", "/api/instances?continuation=%7B%7D", {}, 400, "invalid_argument"],
  ["a page of no size", "/api/instances?pageSize=0", {}, 400, "invalid_argument"],
  ["files that are no form", "/publish", send("{}"), 415, "unsupported_media_type"],
  ["a broken form", "/publish", { ...send("--y"), headers: multipart }, 400, "malformed_body"],
  ["a form without files", "/publish", form([]), 400, "invalid_argument"],
  ["a form with a stray field", "/publish", form(one, { color: "red" }), 400, "invalid_argument"],
  ["a path that leads elsewhere", "/publish", form([["../a", "a"]]), 400, "invalid_argument"],
  ["an absolute path", "/publish", form([["/etc/passwd", "a"]]), 400, "invalid_argument"],
  ["an over-long path", "/publish", form([["x".repeat(513), "a"]]), 400, "invalid_argument"],
  ["a path twice", "/publish", form([...one, ...one]), 400, "invalid_argument"],
  ["a timeout that is none", "/publish", form(one, { approvalTimeout: "soon" }), 400, "invalid_argument"],
  ["an endless timeout", "/publish", form(one, { approvalTimeout: "9999999d" }), 400, "invalid_argument"],
  ["too large a file", "/publish", form([["big", big]]), 413, "payload_too_large"],
  ["too many files", "/publish", form(Array.from({ length: 201 }, (_, n) => [`f${n}`, ""])), 413, "payload_too_large"],
  [
    "too much in all",
    "/publish",
    form(Array.from({ length: 9 }, (_, n) => [`f${n}`, big.subarray(1)])),
    413,
    "payload_too_large",
  ],
];

test.each(cases)("%s", async (_what, path, init, status, code) => {
  const response = await worker.fetch(path, init);
  const body = await response.text();
  const answer = { status: response.status, ...(JSON.parse(body) as { error: { code: string; message: string } }) };
  expect(answer).toMatchObject({ status, error: { code } });
  expect(answer.error.message.length).toBeGreaterThan(10);
  expect(body).not.toMatch(/\bat .*:\d+:\d+|\.ts\b|worker\.js/);
});

test("the instance that all that was about goes on", async () => {
  await tell(worker, "open", "approve", { by: "Eve" });
  expect((await until(worker, "open", hasEnded)).output).toMatchObject({ status: "published", approvedBy: "Eve" });
  await expectEachEffectOnce(worker, "open");
});
