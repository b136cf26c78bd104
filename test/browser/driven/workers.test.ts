import type { Page } from "playwright";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { browsers } from "../../../scripts/browsers.ts";
import { DrivenBrowser, eventually } from "../driver/browser.ts";
import { type Site, serveSite } from "../driver/site.ts";

let site: Site;
beforeAll(async () => {
  site = await serveSite();
});
afterAll(() => site.close());

const runnerOf = (page: Page): Promise<unknown> => page.evaluate(() => window.app.hub.status.runner?.epoch);

describe.each(browsers().map(({ name }) => name))("workers in %s", (name) => {
  let browser: DrivenBrowser;
  beforeAll(async () => {
    browser = await DrivenBrowser.launch(name);
  });
  afterAll(async () => {
    await browser.close();
    browser.forget();
  });

  it.each(["dedicated", "shared", "service"] as const)(
    "a %s worker hosts the engine, the page its client and activities",
    async (kind) => {
      const page = await browser.tab(site.url);
      await page.evaluate(([over, hub]) => window.app.openOver(over, hub), [kind, `over-${kind}`] as const);
      await page.evaluate(() => window.app.start("counter", { steps: 10, ms: 1 }, "c"));
      expect(await page.evaluate(() => window.app.wait("c"))).toEqual({ status: "COMPLETED", output: 10 });
      await page.evaluate(() => window.app.start("asker", "why", "a"));
      expect(await page.evaluate(() => window.app.wait("a"))).toEqual({ status: "COMPLETED", output: "why? Perdura" });
      expect(await page.evaluate(() => window.app.asked)).toEqual(["1:id"]);
      await page.evaluate(() => window.app.start("asker", "fail", "f"));
      expect((await page.evaluate(() => window.app.wait("f"))).status).toBe("FAILED");
      expect(await page.evaluate(() => window.app.hub.status.role)).toBe("client");
      expect(await page.evaluate(() => window.app.hub.status.runner?.host)).toBe(`${kind}-worker`);
      await page.close();
    },
  );

  it("a worker may connect to an engine in another worker, as a page does", async () => {
    const page = await browser.tab(site.url);
    const answer = await page.evaluate(
      () =>
        new Promise((resolve) => {
          const worker = new Worker("/worker.js?hub=nested&nested", { type: "module" });
          worker.onmessage = ({ data }) => resolve(data);
        }),
    );
    expect(answer).toBe("who? a worker");
    await page.close();
  });

  it("a worker that is terminated in mid-run loses nothing: the next one goes on", async () => {
    const page = await browser.tab(site.url);
    await page.evaluate(() => window.app.openOver("dedicated", "terminated"));
    await page.evaluate(() => window.app.start("counter", { steps: 60, ms: 5 }, "t"));
    for (let kill = 0; kill < 3; kill++) {
      const before = await eventually(
        () => page.evaluate(() => window.app.history("t")),
        (history) => history.length > 20 * (kill + 1),
      );
      await page.evaluate(() => window.app.terminate());
      const after = await page.evaluate(() => window.app.history("t"));
      expect(after.length).toBeGreaterThanOrEqual(before.length);
      await page.evaluate(() => window.app.openOver("dedicated", "terminated"));
    }
    expect(await page.evaluate(() => window.app.wait("t"))).toEqual({ status: "COMPLETED", output: 60 });
    await page.close();
  });

  it("an activity of a page that is closed in the middle of it runs in another page", async () => {
    const first = await browser.tab(site.url);
    await first.evaluate(() => window.app.openOver("shared", "leaving"));
    await first.evaluate(() => window.app.start("asker", "hang", "h"));
    await eventually(
      () => first.evaluate(() => window.app.asked.length),
      (length) => length === 1,
    );
    const second = await browser.tab(site.url);
    await second.evaluate(() => window.app.openOver("shared", "leaving"));
    await first.close();
    await eventually(
      () => second.evaluate(() => window.app.asked),
      (asked) => asked.length === 1,
    );
    expect(await second.evaluate(() => window.app.asked)).toEqual(["1:id"]);
    await second.close();
  });

  it("a service worker that a newer version replaces hands its pages to that", async () => {
    const page = await browser.tab(site.url);
    await page.evaluate(() => window.app.openOver("service", "replaced-engine"));
    await page.evaluate(() => window.app.start("asker", "why", "a"));
    expect(await page.evaluate(() => window.app.wait("a"))).toEqual({ status: "COMPLETED", output: "why? Perdura" });
    await page.evaluate(() => window.app.replaceServiceWorker("replaced-engine"));
    await page.evaluate(() => window.app.start("asker", "how", "b"));
    expect(await page.evaluate(() => window.app.wait("b"))).toEqual({ status: "COMPLETED", output: "how? Perdura" });
    await page.close();
  });

  it("a service worker runs a slice for a sync, and leaves a hub alone that a page runs", async () => {
    const page = await browser.tab(site.url);
    await page.evaluate(() => window.app.open("slice", { run: false }));
    await page.evaluate(() => window.app.start("counter", { steps: 5, ms: 1 }, "s"));
    expect(await page.evaluate(() => window.app.slice("slice", "slice"))).toEqual({ ran: true, left: false });
    expect(await page.evaluate(() => window.app.wait("s"))).toEqual({ status: "COMPLETED", output: 5 });
    await page.evaluate(() => window.app.start("counter", { steps: 500, ms: 5 }, "long"));
    expect(await page.evaluate(() => window.app.slice("slice", "sync"))).toBe("again");
    const runner = await browser.tab(site.url);
    await runner.evaluate(() => window.app.open("slice"));
    await eventually(
      () => runner.evaluate(() => window.app.hub.status.role),
      (role) => role === "runner",
    );
    expect(await page.evaluate(() => window.app.slice("slice", "slice"))).toEqual({ ran: false, left: false });
    expect(await runnerOf(page)).toBe(await runner.evaluate(() => window.app.hub.status.epoch));
    await page.close();
    await runner.close();
  });
});
