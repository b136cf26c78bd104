/** Who may use the sample Worker: nobody, until a credential is configured. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunningWorker } from "./support/miniflare.ts";
import { deleteFolder, newFolder, startSample } from "./support/publications.ts";

const persist = newFolder();
afterAll(() => deleteFolder(persist));

describe("a Worker without a credential", () => {
  test("refuses everything but /healthz", async () => {
    const worker = await startSample(persist, {});
    try {
      expect((await worker.fetch("/healthz")).status).toBe(200);
      for (const path of [
        "/",
        "/publish",
        "/api/instances",
        "/nothing",
        "/?token=",
        "/healthz/",
        "/publications/a/manifest.json",
        "/TaskHubSidecarService/Hello",
        "/microsoft/TaskHubSidecarService/GetWorkItems",
        "/api/transfers/a-transfer-of-nobody",
      ]) {
        for (const authorization of ["", "Bearer ", "Bearer undefined"]) {
          const response = await worker.fetch(path, { headers: { authorization } });
          expect(response.status).toBe(403);
          expect(await response.json()).toMatchObject({ error: { code: "not_configured" } });
        }
      }
    } finally {
      await worker.stop();
    }
  });

  test("is not opened by another value of the variable", async () => {
    const worker = await startSample(persist, { PERDURA_OPEN: "true" });
    try {
      expect((await worker.fetch("/api/instances")).status).toBe(403);
    } finally {
      await worker.stop();
    }
  });
});

describe("a Worker with a token", () => {
  let worker: RunningWorker;
  beforeAll(async () => {
    worker = await startSample(persist, { PERDURA_TOKEN: "correct horse" });
  });
  afterAll(() => worker.stop());

  const statusWith = async (headers: Record<string, string>): Promise<number> =>
    (await worker.fetch("/api/instances", { headers })).status;

  test("lets those pass who show it", async () => {
    expect(await statusWith({ authorization: "Bearer correct horse" })).toBe(200);
    for (const authorization of [
      "Bearer correct hors",
      "Bearer correct horse2",
      "Basic correct horse",
      "correct horse",
    ]) {
      expect(await statusWith({ authorization })).toBe(401);
    }
    expect(await statusWith({ cookie: "perdura_session=correct horse" })).toBe(401);
    expect((await worker.fetch("/healthz")).status).toBe(200);
  });

  test("gives a browser that shows it once a cookie, which is not the token", async () => {
    const refused = await worker.fetch("/?token=wrong", { redirect: "manual" });
    expect(refused.status).toBe(401);
    const response = await worker.fetch("/?token=correct+horse", { redirect: "manual" });
    expect(response.status).toBe(303);
    expect(response.headers.get("location")).toBe("/");
    const [cookie = ""] = (response.headers.get("set-cookie") ?? "").split(";");
    expect(cookie).not.toContain("correct");
    expect(response.headers.get("set-cookie")).toContain("HttpOnly; SameSite=Strict");
    expect(await statusWith({ cookie })).toBe(200);
  });

  test("lets no other site act", async () => {
    const headers = { authorization: "Bearer correct horse", origin: "https://evil.example" };
    const response = await worker.fetch("/api/instances/x/terminate", { method: "POST", headers });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ error: { code: "cross_origin" } });
  });
});

describe("the executor protocol of a Worker with a token", () => {
  const friend = "https://app.example.com";
  let worker: RunningWorker;
  beforeAll(async () => {
    worker = await startSample(persist, {
      PERDURA_TOKEN: "correct horse",
      PERDURA_ORIGINS: ` ${friend}, https://b.test`,
    });
  });
  afterAll(() => worker.stop());

  const hello = (headers: Record<string, string>): Promise<Response> =>
    worker.fetch("/TaskHubSidecarService/Hello", {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json", ...headers },
    });

  test("asks for the token as everything else does", async () => {
    expect((await hello({})).status).toBe(401);
    expect((await hello({ authorization: "Bearer correct horse" })).status).toBe(200);
    const unknown = await worker.fetch("/TaskHubSidecarService/Nothing", {
      headers: { authorization: "Bearer correct horse" },
    });
    expect([unknown.status, await unknown.json()]).toMatchObject([404, { error: { code: "not_found" } }]);
  });

  test("lets pages of the listed origins call, with the token, and no others", async () => {
    const authorization = "Bearer correct horse";
    const allowed = await hello({ authorization, origin: friend });
    expect([allowed.status, allowed.headers.get("access-control-allow-origin")]).toEqual([200, friend]);
    // Without the token the page may at least read why.
    const refused = await hello({ origin: friend });
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([401, friend]);
    const stranger = await hello({ authorization, origin: "https://evil.example" });
    expect([stranger.status, stranger.headers.get("access-control-allow-origin")]).toEqual([403, null]);
    // The list is for the protocol only.
    const sample = await worker.fetch("/api/instances/x/terminate", {
      method: "POST",
      headers: { authorization, origin: friend },
    });
    expect(sample.status).toBe(403);
  });
});
