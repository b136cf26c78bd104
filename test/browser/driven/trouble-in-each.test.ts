/** Trouble that every browser can be brought into by means of its own or of the system: no developer tools. */
import type { Page } from "playwright";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { browsers } from "../../../scripts/browsers.ts";
import { DrivenBrowser, eventually } from "../driver/browser.ts";
import { expectEachOnce } from "../driver/histories.ts";
import { type Site, serveSite } from "../driver/site.ts";
import { fillUp, loseAll } from "../driver/storage-trouble.ts";

let site: Site;
beforeAll(async () => {
  site = await serveSite();
});
afterAll(() => site.close());

const roleOf = (page: Page): Promise<string> => page.evaluate(() => window.app.hub.status.role);
const becomes = (page: Page, role: string, ms?: number): Promise<string> =>
  eventually(
    () => roleOf(page),
    (found) => found === role,
    ms,
  );

/** By the page itself: not every browser tells its driver of the load of a page from the cache. */
async function goBack(page: Page): Promise<void> {
  await page.evaluate(() => {
    setTimeout(() => history.back(), 0);
  });
  await eventually(
    () => page.evaluate(() => location.pathname).catch(() => "/blank"),
    (path) => path !== "/blank",
  );
}

describe.each(browsers().map(({ name }) => name))("trouble in %s", (name) => {
  let browser: DrivenBrowser;
  beforeAll(async () => {
    browser = await DrivenBrowser.launch(name, { without: ["--disable-back-forward-cache"] });
  });
  afterAll(async () => {
    await browser.close();
    browser.forget();
  });

  it.runIf(process.platform === "linux")(
    "a runner whose process is stopped loses the right; let go on, it is a follower, and has written nothing",
    async () => {
      const first = await browser.tab(site.url);
      const second = await browser.tab(site.url);
      await first.evaluate(() => window.app.open("stopped", { silence: 1000 }));
      await becomes(first, "runner");
      await second.evaluate(() => window.app.open("stopped", { silence: 1000 }));
      const stopped = await browser.processOf(first);
      expect(await browser.processOf(second)).not.toBe(stopped);
      await first.evaluate(() => window.app.start("counter", { steps: 200, ms: 10 }, "z"));
      await eventually(
        () => second.evaluate(() => window.app.history("z")),
        (history) => history.length > 20,
      );
      process.kill(stopped, "SIGSTOP");
      try {
        await becomes(second, "runner", 30_000);
      } finally {
        process.kill(stopped, "SIGCONT");
      }
      expect(await second.evaluate(() => window.app.wait("z"))).toEqual({ status: "COMPLETED", output: 200 });
      await becomes(first, "follower");
      expect(await roleOf(second)).toBe("runner");
      expectEachOnce(await second.evaluate(() => window.app.history("z")));
      await first.evaluate(() => window.app.start("counter", { steps: 3, ms: 1 }, "y"));
      expect(await first.evaluate(() => window.app.wait("y"))).toEqual({ status: "COMPLETED", output: 3 });
      for (const page of [first, second]) await page.close();
    },
  );

  it("a client's page in the back/forward cache closes the database, and comes back to it", async () => {
    const runner = await browser.tab(site.url);
    await runner.evaluate(() => window.app.open("cached"));
    const page = await browser.tab(site.url);
    await page.evaluate(() => window.app.open("cached", { run: false }));
    await page.evaluate(() => window.app.start("listener", undefined, "b"));
    await page.goto(`${site.url}blank`);
    await runner.evaluate(() => window.app.raise("b", "word", "meanwhile", "k"));
    expect(await runner.evaluate(() => window.app.wait("b"))).toEqual({ status: "COMPLETED", output: "meanwhile" });
    await goBack(page);
    await eventually(
      () => page.evaluate(() => window.app?.returns).catch(() => undefined),
      (returns) => returns === 1,
    );
    expect(await page.evaluate(() => [window.app.hub.status.role, window.app.hub.status.suspensions])).toEqual([
      "client",
      1,
    ]);
    expect(await page.evaluate(() => window.app.wait("b"))).toEqual({ status: "COMPLETED", output: "meanwhile" });
    await page.evaluate(() => window.app.start("counter", { steps: 2, ms: 1 }, "c"));
    expect(await page.evaluate(() => window.app.wait("c"))).toEqual({ status: "COMPLETED", output: 2 });
    for (const tab of [runner, page]) await tab.close();
  });

  it("a runner's page that is left gives up the right at once, and takes part again when the person goes back", async () => {
    const page = await browser.tab(site.url);
    await page.evaluate(() => window.app.open("left"));
    await becomes(page, "runner");
    await page.evaluate(() => window.app.start("counter", { steps: 100, ms: 20 }, "b"));
    const other = await browser.tab(site.url);
    await other.evaluate(() => window.app.open("left"));
    await page.goto(`${site.url}blank`);
    await becomes(other, "runner");
    await goBack(page);
    // Cached as it was, or loaded anew: Firefox caches no page that holds a lock or waits for one.
    const returnsOfItself = name === "firefox" ? 0 : 1;
    await eventually(
      () => page.evaluate(() => window.app?.returns).catch(() => undefined),
      (returns) => returns === returnsOfItself,
    );
    if (name === "firefox") await page.evaluate(() => window.app.open("left"));
    expect(await page.evaluate(() => window.app.wait("b"))).toEqual({ status: "COMPLETED", output: 100 });
    expectEachOnce(await page.evaluate(() => window.app.history("b")));
    expect(await roleOf(page)).toBe("follower");
    await other.close();
    await becomes(page, "runner");
    await page.close();
  });

  it("storage that the site's server has cleared under an open hub is reported as lost, and the hub serves again", async () => {
    const page = await browser.tab(site.url);
    await loseAll(page, "swept", () => page.evaluate(async () => (await fetch("/clear")).text()));
    await page.close();
  });
});

describe.runIf(browsers().some(({ name }) => name === "firefox"))("little room in firefox", () => {
  let browser: DrivenBrowser;
  beforeAll(async () => {
    // In KiB for all sites; one site may have ten MiB of it.
    browser = await DrivenBrowser.launch("firefox", {
      preferences: { "dom.quotaManager.temporaryStorage.fixedLimit": 12_000 },
    });
  });
  afterAll(async () => {
    await browser.close();
    browser.forget();
  });

  it("quota in a transaction: ended history goes first, then new starts are refused, and what runs is not dropped", async () => {
    const page = await browser.tab(site.url);
    await fillUp(page, async (left) => {
      for (const id of left.filter((each) => each !== "running"))
        await page.evaluate((each) => window.app.hub.client.purgeOrchestrationState(each, { force: true }), id);
    });
    await page.close();
  });
});
