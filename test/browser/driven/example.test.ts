/** The browser example, as it is built, in real browsers, with the sample Worker behind it. The files are this repository's. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Locator, Page } from "playwright";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { browsers } from "../../../scripts/browsers.ts";
import { DrivenBrowser, eventually } from "../driver/browser.ts";
import { UploadSite } from "../driver/upload-site.ts";

/** Of several chunks. */
const LARGE = "package-lock.json";

const pathOf = (name: string): string => fileURLToPath(new URL(`../../../${name}`, import.meta.url));
const sha256Of = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");

let site: UploadSite;
beforeAll(async () => {
  site = await UploadSite.start();
});
afterAll(() => site.close());

async function openPage({ context }: DrivenBrowser): Promise<Page> {
  const page = await context.newPage();
  await page.goto(site.url);
  await isReady(page);
  return page;
}

const isReady = (page: Page): Promise<void> => page.locator("html[data-ready]").waitFor();

/** Picks files as a person does. Returns the first one's card in this page. */
async function pick(page: Page, ...names: readonly string[]): Promise<string> {
  const before = await idsOf(page);
  await page.setInputFiles("#files", names.map(pathOf));
  const after = await eventually(
    () => idsOf(page),
    (ids) => ids.length === before.length + names.length,
  );
  // The newest is the first of the list.
  const id = after[names.length - 1];
  if (id === undefined) throw new Error("no file was picked");
  return id;
}

const idsOf = (page: Page): Promise<string[]> =>
  page.locator("#list > li").evaluateAll((cards) => cards.map((card) => (card as HTMLElement).dataset.upload ?? ""));

const cardOf = (page: Page, id: string): Locator => page.locator(`[data-upload="${id}"]`);
const press = (page: Page, id: string, verb: string): Promise<void> =>
  cardOf(page, id).locator(`[data-verb="${verb}"]`).click();
const reaches = (page: Page, id: string, state: string): Promise<void> =>
  cardOf(page, id)
    .and(page.locator(`[data-state="${state}"]`))
    .waitFor({ timeout: 30_000 });
const hasSent = (page: Page, id: string, chunks: number): Promise<void> =>
  cardOf(page, id).getByText(`${chunks} of `).waitFor();

/** The Worker has the file, as Node reads it. */
async function expectStored(id: string, name: string): Promise<void> {
  const content = readFileSync(pathOf(name));
  const status = await (await site.ask(`/api/transfers/${id}`)).json();
  expect(status).toMatchObject({ name, bytes: content.length, sha256: sha256Of(content), finished: true });
  const stored = await site.ask(`/api/transfers/${id}/content`);
  expect(sha256Of(new Uint8Array(await stored.arrayBuffer()))).toBe(sha256Of(content));
}

describe.each(browsers().map(({ name }) => name))("the example in %s", (name) => {
  let browser: DrivenBrowser;
  beforeAll(async () => {
    browser = await DrivenBrowser.launch(name);
  });
  beforeEach(() => {
    site.release();
    site.trouble = { left: 0, status: 503 };
  });
  afterAll(async () => {
    await browser.close();
    browser.forget();
  });

  it("picked files are hashed, sent, confirmed, and stored as they are on disk", async () => {
    const page = await openPage(browser);
    const names = [LARGE, "README.md", "LICENSE"];
    await pick(page, ...names);
    const ids = (await idsOf(page)).slice(0, names.length).reverse();
    for (const [at, id] of ids.entries()) {
      await reaches(page, id, "to confirm");
      await press(page, id, "confirm");
      await reaches(page, id, "stored");
      await expectStored(id, names[at] ?? "");
    }
    await press(page, ids[0] ?? "", "remove");
    await cardOf(page, ids[0] ?? "").waitFor({ state: "detached" });
    await page.close();
  });

  it("an upload goes on after a reload in the middle of it", async () => {
    const page = await openPage(browser);
    site.holdAfter(1);
    const id = await pick(page, LARGE);
    await hasSent(page, id, 1);
    await page.reload();
    await isReady(page);
    await hasSent(page, id, 1);
    site.release();
    await reaches(page, id, "to confirm");
    await press(page, id, "confirm");
    await reaches(page, id, "stored");
    await expectStored(id, LARGE);
    await page.close();
  });

  it("an upload goes on when its page was closed in the middle of it and another one is opened", async () => {
    const first = await openPage(browser);
    site.holdAfter(1);
    const id = await pick(first, LARGE);
    await hasSent(first, id, 1);
    await first.close();
    site.release();
    const second = await openPage(browser);
    await reaches(second, id, "to confirm");
    await second.close();
    const third = await openPage(browser);
    await press(third, id, "confirm");
    await reaches(third, id, "stored");
    await expectStored(id, LARGE);
    await third.close();
  });

  it("an upload goes on after the whole browser was killed in the middle of it", async () => {
    const page = await openPage(browser);
    site.holdAfter(1);
    const id = await pick(page, LARGE);
    await hasSent(page, id, 1);
    await browser.kill();
    site.release();
    browser = await DrivenBrowser.launch(name, { profile: browser.profile });
    const again = await openPage(browser);
    await reaches(again, id, "to confirm");
    await press(again, id, "confirm");
    await reaches(again, id, "stored");
    await expectStored(id, LARGE);
    await again.close();
  });

  it("a second tab sees the same uploads and confirms; one of both runs them", async () => {
    const first = await openPage(browser);
    const second = await openPage(browser);
    const id = await pick(first, LARGE);
    await reaches(second, id, "to confirm");
    const roles = (): Promise<string[]> =>
      Promise.all([first, second].map(async (page) => (await page.locator("#role").getAttribute("data-role")) ?? ""));
    const found = await eventually(roles, (each) => each.includes("runner"));
    expect(found.sort()).toEqual(["follower", "runner"]);
    await press(second, id, "confirm");
    await reaches(first, id, "stored");
    await reaches(second, id, "stored");
    await expectStored(id, LARGE);
    await first.close();
    await second.close();
  });

  it("an upload that begins without a network waits for it, and says so", async () => {
    const page = await openPage(browser);
    await browser.context.setOffline(true);
    try {
      const id = await pick(page, LARGE);
      // Playwright tells Firefox's pages that they are offline, and not their workers: there requests fail, and are retried.
      await reaches(page, id, name === "chromium" ? "offline" : "retrying");
      expect(await page.locator("#online").textContent()).toBe("offline");
      expect((await site.ask(`/api/transfers/${id}`)).status).toBe(404);
      await browser.context.setOffline(false);
      await reaches(page, id, "to confirm");
      await press(page, id, "confirm");
      await reaches(page, id, "stored");
      await expectStored(id, LARGE);
    } finally {
      await browser.context.setOffline(false);
      await page.close();
    }
  });

  it("the page opens without a network, takes files, and sends them later", async () => {
    const page = await openPage(browser);
    await page.evaluate(async () => {
      await navigator.serviceWorker.ready;
    });
    await page.close();
    await browser.context.setOffline(true);
    try {
      const offline = await openPage(browser);
      const id = await pick(offline, "README.md");
      await cardOf(offline, id).getByText("sha256").waitFor();
      await offline.reload();
      await isReady(offline);
      await cardOf(offline, id).waitFor();
      await browser.context.setOffline(false);
      await reaches(offline, id, "to confirm");
      await press(offline, id, "confirm");
      await reaches(offline, id, "stored");
      await expectStored(id, "README.md");
      await offline.close();
    } finally {
      await browser.context.setOffline(false);
    }
  });

  it("a server that is away for a while costs attempts, and nothing else", async () => {
    const page = await openPage(browser);
    site.trouble = { left: 2, status: 503 };
    const id = await pick(page, LARGE);
    await reaches(page, id, "retrying");
    await reaches(page, id, "to confirm");
    expect(site.trouble.left).toBe(0);
    await press(page, id, "confirm");
    await reaches(page, id, "stored");
    await expectStored(id, LARGE);
    await page.close();
  });

  it("a cancelled upload leaves nothing at the Worker", async () => {
    const page = await openPage(browser);
    site.holdAfter(1);
    const id = await pick(page, LARGE);
    await hasSent(page, id, 1);
    expect((await site.ask(`/api/transfers/${id}`)).status).toBe(200);
    await press(page, id, "cancel");
    await reaches(page, id, "cancelled");
    site.release();
    expect((await site.ask(`/api/transfers/${id}`)).status).toBe(404);
    await press(page, id, "remove");
    await cardOf(page, id).waitFor({ state: "detached" });
    await page.reload();
    await isReady(page);
    expect(await idsOf(page)).not.toContain(id);
    await page.close();
  });

  it("an upload that the Worker refuses has failed, says why, and can be tried again", async () => {
    const page = await openPage(browser);
    site.trouble = { left: 1, status: 403 };
    const id = await pick(page, "LICENSE");
    await reaches(page, id, "failed");
    await cardOf(page, id).getByText("the Worker answered 403").waitFor();
    await press(page, id, "retry");
    await reaches(page, id, "to confirm");
    await press(page, id, "confirm");
    await reaches(page, id, "stored");
    await expectStored(id, "LICENSE");
    await page.close();
  });

  it("an upload whose cancelling waits for the Worker can be stopped at once", async () => {
    const page = await openPage(browser);
    const id = await pick(page, "LICENSE");
    await reaches(page, id, "to confirm");
    site.trouble = { left: Number.POSITIVE_INFINITY, status: 503 };
    await press(page, id, "cancel");
    await press(page, id, "stop");
    await reaches(page, id, "stopped");
    await press(page, id, "remove");
    await cardOf(page, id).waitFor({ state: "detached" });
    await page.close();
  });

  it("a page with a newer version of the app says so", async () => {
    const page = await openPage(browser);
    await page.evaluate(async () => {
      await navigator.serviceWorker.ready;
    });
    await page.reload();
    await isReady(page);
    expect(await page.locator("#notices > li").count()).toBe(0);
    site.version = `// ${name}`;
    await page.reload();
    await page.getByText("There is a newer version of this app.").waitFor();
    await page.getByRole("button", { name: "Reload" }).click();
    await isReady(page);
    await page.close();
  });

  it("without a database it uploads all the same, and says that nothing is kept", async () => {
    const page = await browser.context.newPage();
    await page.addInitScript(() => Object.defineProperty(window, "indexedDB", { value: undefined }));
    await page.goto(site.url);
    await isReady(page);
    expect(await page.locator("#durable").textContent()).toBe("in memory only");
    const id = await pick(page, "README.md");
    await reaches(page, id, "to confirm");
    await press(page, id, "confirm");
    await reaches(page, id, "stored");
    await expectStored(id, "README.md");
    await page.close();
  });
});
