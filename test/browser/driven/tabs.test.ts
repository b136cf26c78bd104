import type { Page } from "playwright";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { browsers } from "../../../scripts/browsers.ts";
import { crash, DrivenBrowser, eventually, ready } from "../driver/browser.ts";
import { expectEachOnce } from "../driver/histories.ts";
import { type Site, serveSite } from "../driver/site.ts";

let site: Site;
beforeAll(async () => {
  site = await serveSite();
});
afterAll(() => site.close());

const roleOf = (page: Page): Promise<string> => page.evaluate(() => window.app.hub.status.role);

/** The only page that runs, once there is one. */
async function runnerOf(pages: readonly Page[]): Promise<Page> {
  const roles = await eventually(
    () => Promise.all(pages.map(roleOf)),
    (found) => found.includes("runner"),
  );
  expect(roles.filter((role) => role === "runner")).toHaveLength(1);
  const runner = pages[roles.indexOf("runner")];
  if (runner === undefined) throw new Error("no page runs");
  return runner;
}

async function openTabs(browser: DrivenBrowser, hub: string, count: number): Promise<Page[]> {
  const pages: Page[] = [];
  for (let i = 0; i < count; i++) {
    const page = await browser.tab(site.url);
    await page.evaluate((name) => window.app.open(name), hub);
    pages.push(page);
  }
  return pages;
}

describe.each(browsers().map(({ name }) => name))("tabs in %s", (name) => {
  let browser: DrivenBrowser;
  beforeAll(async () => {
    browser = await DrivenBrowser.launch(name);
  });
  afterAll(async () => {
    await browser.close();
    browser.forget();
  });

  it("an orchestration goes on after a reload", async () => {
    const page = await browser.tab(site.url);
    await page.evaluate(() => window.app.open("reload"));
    await page.evaluate(() => window.app.start("counter", { steps: 40, ms: 20 }, "a"));
    await eventually(
      () => page.evaluate(() => window.app.history("a")),
      (history) => history.length > 10,
    );
    await page.reload();
    await ready(page);
    await page.evaluate(() => window.app.open("reload"));
    expect(await page.evaluate(() => window.app.wait("a"))).toEqual({ status: "COMPLETED", output: 40 });
    expectEachOnce(await page.evaluate(() => window.app.history("a")));
    await page.close();
  });

  it("a follower starts, raises, waits, queries, suspends, terminates, reruns and purges as well as the runner", async () => {
    const [first, second] = await openTabs(browser, "follow", 2);
    if (first === undefined || second === undefined) throw new Error("two tabs");
    await runnerOf([first, second]);
    const follower = (await roleOf(first)) === "runner" ? second : first;
    expect(await roleOf(follower)).toBe("follower");
    await follower.evaluate(() => window.app.start("listener", undefined, "l"));
    await follower.evaluate(() => window.app.raise("l", "word", "hello", "k1"));
    expect(await follower.evaluate(() => window.app.wait("l"))).toEqual({ status: "COMPLETED", output: "hello" });
    await follower.evaluate(() => window.app.start("collector", 2, "c"));
    await follower.evaluate(() => window.app.hub.client.suspendOrchestration("c"));
    await eventually(
      () => follower.evaluate(async () => (await window.app.hub.client.fetchOrchestrationMetadata("c")).runtimeStatus),
      (status) => status === "SUSPENDED",
    );
    await follower.evaluate(() => window.app.hub.client.terminateOrchestration("c", { output: "enough" }));
    expect(await follower.evaluate(() => window.app.wait("c"))).toEqual({ status: "TERMINATED", output: "enough" });
    const rerun = await follower.evaluate(async () => {
      await window.app.start("counter", { steps: 2, ms: 0 }, "r");
      await window.app.wait("r");
      await window.app.hub.client.rerunWorkflowFromEvent("r", 0, { newInstanceId: "r2" });
      return window.app.wait("r2");
    });
    expect(rerun).toEqual({ status: "COMPLETED", output: 2 });
    const ids = (): Promise<readonly string[]> =>
      follower.evaluate(async () => (await window.app.hub.client.listInstanceIds({ order: "oldest" })).instanceIds);
    expect(await ids()).toEqual(["l", "c", "r", "r2"]);
    expect(await follower.evaluate(() => window.app.hub.client.purgeOrchestrationState("c"))).toBe(1);
    expect(await ids()).toEqual(["l", "r", "r2"]);
    expect(await runnerOf([first, second])).not.toBe(follower);
    for (const page of [first, second]) await page.close();
  });

  it("a page that may store nothing runs in memory, and says so", async () => {
    const page = await browser.tab(site.url);
    await page.evaluate(() => {
      const frame = document.createElement("iframe");
      // Without an origin of its own.
      frame.sandbox.add("allow-scripts");
      frame.src = "/";
      document.body.append(frame);
    });
    const frame = await eventually(
      () => page.frames()[1],
      (found) => found !== undefined,
    );
    await frame?.waitForFunction(() => "app" in window);
    await frame?.evaluate(() => window.app.open("nowhere"));
    expect(await frame?.evaluate(() => window.app.hub.status.durable)).toBe(false);
    await eventually(
      () => frame?.evaluate(() => window.app.seen.filter(({ type }) => type === "not-durable").map((e) => e.detail)),
      (seen) => seen?.[0] === "storage_unavailable",
    );
    await frame?.evaluate(() => window.app.start("counter", { steps: 3, ms: 0 }, "n"));
    expect(await frame?.evaluate(() => window.app.wait("n"))).toEqual({ status: "COMPLETED", output: 3 });
    await page.close();
  });

  it.each([2, 5])("%i tabs hammer one hub while its runner is closed again and again", async (count) => {
    const hub = `hammer-${count}`;
    let pages = await openTabs(browser, hub, count);
    const ids: string[] = [];
    for (const [at, page] of pages.entries()) {
      for (let n = 0; n < 4; n++) {
        const id = `h-${at}-${n}`;
        ids.push(id);
        await page.evaluate((instanceId) => window.app.start("counter", { steps: 25, ms: 5 }, instanceId), id);
      }
    }
    const gaps: number[] = [];
    for (let kill = 0; kill < 3; kill++) {
      const runner = await runnerOf(pages);
      pages = pages.filter((page) => page !== runner);
      const fresh = await browser.tab(site.url);
      await fresh.evaluate((name) => window.app.open(name), hub);
      pages.push(fresh);
      const beganMs = Date.now();
      if (name === "chromium" && kill === 1) await crash(runner);
      else await runner.close();
      await eventually(
        () => Promise.all(pages.map(roleOf)),
        (roles) => roles.includes("runner"),
      );
      gaps.push(Date.now() - beganMs);
    }
    console.log(`fail-over in ${name}, ${count} tabs, in ms: ${gaps.join(", ")}`);
    const [watcher] = pages;
    if (watcher === undefined) throw new Error("no tab");
    for (const id of ids) {
      expect(await watcher.evaluate((instanceId) => window.app.wait(instanceId, "60s"), id)).toEqual({
        status: "COMPLETED",
        output: 25,
      });
      expectEachOnce(await watcher.evaluate((instanceId) => window.app.history(instanceId), id));
    }
    expect(Math.max(...gaps)).toBeLessThan(3000);
    for (const page of pages) await page.close();
  });
});
