import type { CDPSession, Page } from "playwright";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { browserPath, browsers } from "../../../scripts/browsers.ts";
import { DrivenBrowser, eventually, ready } from "../driver/browser.ts";
import { expectEachOnce } from "../driver/histories.ts";
import { type Site, serveSite } from "../driver/site.ts";
import { fillUp, heard, loseAll } from "../driver/storage-trouble.ts";

let site: Site;
beforeAll(async () => {
  site = await serveSite();
});
afterAll(() => site.close());

const roleOf = (page: Page): Promise<string> => page.evaluate(() => window.app.hub.status.role);
const hasChromium = browsers().some(({ name }) => name === "chromium") && browserPath("chromium") !== undefined;

describe.skipIf(!hasChromium)("trouble in chromium", () => {
  let browser: DrivenBrowser;
  beforeAll(async () => {
    browser = await DrivenBrowser.launch("chromium", {
      without: ["--disable-back-forward-cache"],
      // A plain name over http is no secure context.
      args: ["--host-resolver-rules=MAP perdura.test 127.0.0.1"],
    });
  });
  afterAll(async () => {
    await browser.close();
    browser.forget();
  });

  const session = (page: Page): Promise<CDPSession> => browser.context.newCDPSession(page);

  it("a frozen runner's right is taken; thawed it is a follower, and has written nothing", async () => {
    const first = await browser.tab(site.url);
    await first.evaluate(() => window.app.open("frozen", { silence: 1000 }));
    await eventually(
      () => roleOf(first),
      (role) => role === "runner",
    );
    await first.evaluate(() => window.app.start("counter", { steps: 200, ms: 10 }, "z"));
    const second = await browser.tab(site.url);
    await second.evaluate(() => window.app.open("frozen", { silence: 1000 }));
    const cdp = await session(first);
    await cdp.send("Page.setWebLifecycleState", { state: "frozen" });
    const frozenMs = Date.now();
    await eventually(
      () => roleOf(second),
      (role) => role === "runner",
      30_000,
    );
    console.log(`a frozen runner was replaced after ${Date.now() - frozenMs} ms (silence 1000)`);
    await cdp.send("Page.setWebLifecycleState", { state: "active" });
    expect(await second.evaluate(() => window.app.wait("z"))).toEqual({ status: "COMPLETED", output: 200 });
    expect(await heard(second, "stolen")).toHaveLength(1);
    await eventually(
      () => roleOf(first),
      (role) => role === "follower",
    );
    expect(await roleOf(second)).toBe("runner");
    expectEachOnce(await second.evaluate(() => window.app.history("z")));
    await first.evaluate(() => window.app.start("counter", { steps: 3, ms: 1 }, "y"));
    expect(await first.evaluate(() => window.app.wait("y"))).toEqual({ status: "COMPLETED", output: 3 });
    for (const page of [first, second]) await page.close();
  });

  it("quota in a transaction: ended history goes first, then new starts are refused, and what runs is not dropped", async () => {
    // An origin of its own: the browser remembers for a while how much room one had.
    const origin = site.url.replace("127.0.0.1", "localhost");
    const page = await browser.tab(origin);
    const cdp = await session(page);
    // Room enough for the browser's own logs and tables, whose size varies. It is looked at when the database is opened.
    await cdp.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 12_000_000 });
    await fillUp(page, () => cdp.send("Storage.overrideQuotaForOrigin", { origin }));
    await page.close();
  });

  it("cleared site data under an open hub is reported as lost, and the hub serves again", async () => {
    const page = await browser.tab(site.url);
    const cdp = await session(page);
    await loseAll(page, "cleared", () =>
      cdp.send("Storage.clearDataForOrigin", { origin: site.url, storageTypes: "indexeddb" }),
    );
    await page.close();
  });

  it("a loss that a client has seen is not reported once more at its next visit", async () => {
    const page = await browser.tab(site.url);
    const lost = (): Promise<string[]> => heard(page, "lost");
    await page.evaluate(() => window.app.open("seen", { run: false }));
    const cdp = await session(page);
    await cdp.send("Storage.clearDataForOrigin", { origin: site.url, storageTypes: "indexeddb" });
    await eventually(lost, (codes) => codes.includes("storage_lost"));
    await page.reload();
    await ready(page);
    await page.evaluate(() => window.app.open("seen", { run: false }));
    expect(await lost()).toEqual([]);
    await page.close();
  });

  it("a page in the back/forward cache gives up the right, and takes part again when it comes back", async () => {
    const page = await browser.tab(site.url);
    await page.evaluate(() => window.app.open("bfcache"));
    await eventually(
      () => roleOf(page),
      (role) => role === "runner",
    );
    await page.evaluate(() => window.app.start("counter", { steps: 100, ms: 20 }, "b"));
    const other = await browser.tab(site.url);
    await other.evaluate(() => window.app.open("bfcache"));
    await page.goto(`${site.url}blank`);
    await eventually(
      () => roleOf(other),
      (role) => role === "runner",
    );
    expect(await other.evaluate(() => window.app.wait("b"))).toEqual({ status: "COMPLETED", output: 100 });
    await page.goBack({ waitUntil: "commit" });
    await eventually(
      () => page.evaluate(() => window.app.returns),
      (returns) => returns === 1,
    );
    expect(await roleOf(page)).toBe("follower");
    expect(await page.evaluate(() => window.app.hub.status.suspensions)).toBe(1);
    await page.evaluate(() => window.app.start("counter", { steps: 2, ms: 1 }, "c"));
    expect(await page.evaluate(() => window.app.wait("c"))).toEqual({ status: "COMPLETED", output: 2 });
    await other.close();
    await eventually(
      () => roleOf(page),
      (role) => role === "runner",
    );
    await page.close();
  });

  it("a page without a secure context, and so without Web Locks, elects by a lease, and workers serve it too", async () => {
    const url = site.url.replace("127.0.0.1", "perdura.test");
    const [first, second] = [await browser.tab(url), await browser.tab(url)];
    expect(await first.evaluate(() => [isSecureContext, "locks" in navigator])).toEqual([false, false]);
    await first.evaluate(() => window.app.open("insecure"));
    await eventually(
      () => roleOf(first),
      (role) => role === "runner",
    );
    await second.evaluate(() => window.app.open("insecure"));
    await second.evaluate(() => window.app.start("counter", { steps: 100, ms: 20 }, "i"));
    expect(await roleOf(second)).toBe("follower");
    await first.close();
    expect(await second.evaluate(() => window.app.wait("i"))).toEqual({ status: "COMPLETED", output: 100 });
    expectEachOnce(await second.evaluate(() => window.app.history("i")));
    expect(await roleOf(second)).toBe("runner");
    const [third, fourth] = [await browser.tab(url), await browser.tab(url)];
    for (const page of [third, fourth]) await page.evaluate(() => window.app.openOver("shared", "insecure-shared"));
    await third.evaluate(() => window.app.start("asker", "hang", "h"));
    await eventually(
      () => third.evaluate(() => window.app.asked.length),
      (length) => length === 1,
    );
    await third.close({ runBeforeUnload: true });
    await eventually(
      () => fourth.evaluate(() => window.app.asked.length),
      (length) => length === 1,
    );
    for (const page of [second, fourth]) await page.close();
  });

  it.each(["sync", "periodicsync", "push"] as const)(
    "a real %s event of the browser runs what is left",
    async (type) => {
      const page = await browser.tab(site.url);
      const hub = `real-${type}`;
      await page.evaluate((name) => window.app.open(name, { run: false }), hub);
      await page.evaluate(() => window.app.start("counter", { steps: 5, ms: 1 }, "s"));
      const cdp = await session(page);
      const ids: string[] = [];
      cdp.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
        for (const { registrationId, scopeURL, isDeleted } of registrations)
          if (scopeURL.endsWith("/slice") && !isDeleted) ids.push(registrationId);
      });
      await cdp.send("ServiceWorker.enable");
      await page.evaluate((name) => window.app.registerSlice(name), hub);
      const registrationId = (
        await eventually(
          () => ids,
          (found) => found.length > 0,
        )
      )[0] as string;
      const event = { origin: site.url.slice(0, -1), registrationId, tag: `perdura:${hub}` };
      if (type === "sync") await cdp.send("ServiceWorker.dispatchSyncEvent", { ...event, lastChance: false });
      else if (type === "periodicsync") await cdp.send("ServiceWorker.dispatchPeriodicSyncEvent", event);
      else await cdp.send("ServiceWorker.deliverPushMessage", { origin: event.origin, registrationId, data: "" });
      expect(await page.evaluate(() => window.app.wait("s"))).toEqual({ status: "COMPLETED", output: 5 });
      await page.close();
    },
  );

  it("a service worker that the browser stops is started anew by its page, which it knows again", async () => {
    const page = await browser.tab(site.url);
    await page.evaluate(() => window.app.openOver("service", "stopped-engine"));
    await page.evaluate(() => window.app.start("asker", "hang", "h"));
    const cdp = await session(page);
    await cdp.send("ServiceWorker.enable");
    for (const asked of [1, 2, 3]) {
      await eventually(
        () => page.evaluate(() => window.app.asked.length),
        (length) => length === asked,
      );
      await cdp.send("ServiceWorker.stopAllWorkers");
    }
    await page.evaluate(() => window.app.start("asker", "why", "a"));
    expect(await page.evaluate(() => window.app.wait("a"))).toEqual({ status: "COMPLETED", output: "why? Perdura" });
    expect(new Set(await page.evaluate(() => window.app.asked))).toEqual(new Set(["1:id"]));
    await page.close();
  });

  it("permission to stay is granted where the person has said so", async () => {
    const page = await browser.tab(site.url);
    const cdp = await session(page);
    await cdp.send("Browser.grantPermissions", { origin: site.url, permissions: ["durableStorage"] });
    expect(await page.evaluate(() => window.app.requestPersistence())).toBe("granted");
    await page.evaluate(() => window.app.open("kept"));
    await eventually(
      () => page.evaluate(() => window.app.hub.status.persisted),
      (isPersisted) => isPersisted === true,
    );
    await page.close();
  });

  it("a hung runner is replaced too", async () => {
    const first = await browser.tab(site.url);
    await first.evaluate(() => window.app.open("hung", { silence: 1000 }));
    await eventually(
      () => roleOf(first),
      (role) => role === "runner",
    );
    await first.evaluate(() => window.app.start("sleeper", 2000, "s"));
    const second = await browser.tab(site.url);
    await second.evaluate(() => window.app.open("hung", { silence: 1000 }));
    const hung = first.evaluate(() => {
      const endMs = Date.now() + 14_000;
      while (Date.now() < endMs);
    });
    expect(await second.evaluate(() => window.app.wait("s"))).toEqual({ status: "COMPLETED", output: "rested" });
    expect(await roleOf(second)).toBe("runner");
    await hung;
    await eventually(
      () => roleOf(first),
      (role) => role === "follower",
    );
    for (const page of [first, second]) await page.close();
  });
});
