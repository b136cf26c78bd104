/** The executor protocol served by a service worker over the browser's own hub, to the pages of its site. */
import type { Page } from "playwright";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { browsers } from "../../../scripts/browsers.ts";
import type { Wire } from "../app/remote-page.ts";
import { eventually } from "../driver/browser.ts";
import { remotePages } from "../driver/remote-pages.ts";
import { type Site, serveSite } from "../driver/site.ts";

let site: Site;
beforeAll(async () => {
  site = await serveSite();
});
afterAll(() => site.close());

describe.each(browsers().map(({ name }) => name))("a service worker's routes in %s", (name) => {
  const pages = remotePages(name);

  /** A page that the service worker controls; it has a client of its hub. */
  async function remotePage(wire: Wire, path = ""): Promise<Page> {
    const page = await pages.open(site);
    await page.evaluate(() => window.remote.register("routes"));
    await page.evaluate(([on, below]) => window.remote.use(on, location.origin + below), [wire, path] as const);
    return page;
  }

  it.each(["connect", "connect+json", "grpc-web"] as const)("serves clients over %s", async (wire) => {
    const page = await remotePage(wire);
    await page.evaluate(() => window.remote.work());
    const id = `listen-${wire}`;
    expect(await page.evaluate((id) => window.remote.start("listen", undefined, id), id)).toBe(id);
    expect(await page.evaluate((id) => window.remote.codeOf(() => window.remote.start("listen", 1, id)), id)).toBe(
      "instance_exists",
    );
    expect(await page.evaluate((id) => window.remote.codeOf(() => window.remote.wait(id, "1s")), id)).toBe(
      "wait_timed_out",
    );
    const aborted = await page.evaluate(
      (id) =>
        window.remote.codeOf(() =>
          window.remote.client.waitForOrchestrationCompletion(id, { signal: AbortSignal.timeout(200) }),
        ),
      id,
    );
    expect(aborted).toBe("aborted");
    await page.evaluate((id) => window.remote.client.suspendOrchestration(id), id);
    await page.evaluate((id) => window.remote.client.raiseEvent(id, "word", { said: "ü" }), id);
    await page.evaluate((id) => window.remote.client.resumeOrchestration(id), id);
    expect(await page.evaluate((id) => window.remote.wait(id), id)).toEqual({
      status: "COMPLETED",
      output: { said: "ü" },
    });
    const history = await page.evaluate(
      async (id) => (await window.remote.client.getInstanceHistory(id)).map(({ eventType }) => eventType.case),
      id,
    );
    expect(history).toContain("executionSuspended");
    await page.evaluate((id) => window.remote.client.purgeOrchestrationState(id), id);
    const gone = await page.evaluate(
      (id) => window.remote.codeOf(() => window.remote.client.fetchOrchestrationMetadata(id)),
      id,
    );
    expect(gone).toBe("instance_not_found");
    await page.evaluate(() => window.remote.rest());
  });

  it.each(["connect", "grpc-web"] as const)(
    "code of pages runs beside the service worker's own, over %s",
    async (wire) => {
      const page = await remotePage(wire);
      await page.evaluate(() => window.remote.work());
      // 1 in the page: 2; in the worker: 20; then 'mixed': 200, in the page: 201, a child of the page's: 202.
      await page.evaluate((id) => window.remote.start("page-parent", 1, id), `parent-${wire}`);
      expect(await page.evaluate((id) => window.remote.wait(id), `parent-${wire}`)).toEqual({
        status: "COMPLETED",
        output: 202,
      });
      expect(await page.evaluate(() => window.remote.calls)).toEqual(["in-page 1", "in-page 200"]);
      await page.evaluate((id) => window.remote.start("fan", 200, id), `fan-${wire}`);
      expect((await page.evaluate((id) => window.remote.wait(id), `fan-${wire}`)).output).toBe(200);
      await page.evaluate(() => window.remote.rest());
    },
  );

  it("serves each dialect below its prefix, and leaves all other requests to the network", async () => {
    const page = await remotePage("connect", "/dapr");
    await page.evaluate(() => window.remote.work());
    await page.evaluate(() => window.remote.start("page-parent", 1, "below"));
    expect((await page.evaluate(() => window.remote.wait("below"))).output).toBe(202);
    await page.evaluate(() => window.remote.rest());
    const ask = (path: string, body: object): Promise<{ status: number; text: string }> =>
      page.evaluate(
        async ([path, body]) => {
          const headers = { "content-type": "application/json" };
          const response = await fetch(path, { method: "POST", headers, body });
          return { status: response.status, text: await response.text() };
        },
        [path, JSON.stringify(body)] as const,
      );
    const state = await ask("/microsoft/TaskHubSidecarService/GetInstance", { instanceId: "below" });
    expect(JSON.parse(state.text)).toMatchObject({
      exists: true,
      orchestrationState: { name: "page-parent", orchestrationStatus: "ORCHESTRATION_STATUS_COMPLETED" },
    });
    expect((await ask("/TaskHubSidecarService/NoSuchMethod", {})).status).toBe(404);
    expect((await ask("/elsewhere/TaskHubSidecarService/Hello", {})).text).toContain("<!doctype html>");
  });

  it("an activity of a page that is closed in the middle of it runs in another page", async () => {
    const first = await remotePage("connect");
    await first.evaluate(() => window.remote.work());
    await first.evaluate(() => window.remote.start("steps", [1, 600_000], "left"));
    await eventually(
      () => first.evaluate(() => window.remote.calls),
      (calls) => calls.includes("slow 0"),
    );
    const second = await remotePage("grpc-web");
    await second.evaluate(() => window.remote.work());
    await first.close();
    await eventually(
      () => second.evaluate(() => window.remote.calls),
      (calls) => calls.includes("slow 0"),
    );
    await second.evaluate(() => window.remote.client.terminateOrchestration("left"));
    expect((await second.evaluate(() => window.remote.wait("left"))).status).toBe("TERMINATED");
  });

  // Only Chromium's protocol can stop a service worker.
  it.runIf(name === "chromium").each(["connect", "grpc-web"] as const)(
    "a service worker that is stopped in mid-run, twice, begins anew, and the run ends, over %s",
    async (wire) => {
      const page = await remotePage(wire);
      await page.evaluate(() => window.remote.work());
      const before = await page.evaluate(() => window.remote.life());
      const devtools = await pages.browser.context.newCDPSession(page);
      await devtools.send("ServiceWorker.enable");
      const id = `stopped-${wire}`;
      await page.evaluate((id) => window.remote.start("steps", [30, 50], id), id);
      const ending = page.evaluate((id) => window.remote.wait(id, "60s"), id);
      for (const reached of ["slow 8", "slow 16"]) {
        await eventually(
          () => page.evaluate(() => window.remote.calls),
          (calls) => calls.includes(reached),
        );
        await devtools.send("ServiceWorker.stopAllWorkers");
      }
      expect(await ending).toEqual({ status: "COMPLETED", output: 30 });
      expect(await page.evaluate(() => window.remote.life())).not.toBe(before);
      // What was acknowledged was not run again: at most the step in work at each stop was.
      const calls = await page.evaluate(() => window.remote.calls);
      expect(calls.length).toBeLessThanOrEqual(32);
      expect(new Set(calls).size).toBe(30);
      await page.evaluate(() => window.remote.rest());
    },
  );
});
