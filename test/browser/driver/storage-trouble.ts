/** What a hub goes through when its storage is full or gone, however a browser was brought to that. */
import type { Page } from "playwright";
import { expect } from "vitest";
import { eventually } from "./browser.ts";

/** Details of the events of a type that the page has heard. */
export function heard(page: Page, type: string): Promise<string[]> {
  return page.evaluate(
    (wanted) => window.app.seen.filter((event) => event.type === wanted).map(({ detail }) => detail),
    type,
  );
}

/**
 * Fills a hub until nothing more fits: ended history goes first, then new starts are refused; what runs is there, and goes on
 * when there is room again.
 *
 * @param makeRoom gets the ids of all instances that are left.
 */
export async function fillUp(page: Page, makeRoom: (left: readonly string[]) => Promise<unknown>): Promise<void> {
  await page.evaluate(() => window.app.open("quota", { retention: { count: 0 } }));
  await page.evaluate(() => window.app.start("listener", undefined, "running"));
  for (let n = 0; n < 4; n++) {
    await page.evaluate(async (id) => {
      await window.app.start("echo", window.app.bulky(200), id);
      await window.app.wait(id);
    }, `old-${n}`);
  }
  let code = "";
  for (let n = 0; n < 80 && code === ""; n++) {
    const result = await page.evaluate(
      (id) => window.app.attempt(() => window.app.start("listener", window.app.bulky(300), id)),
      `new-${n}`,
    );
    if (!result.ok) code = result.code;
  }
  expect(code).toBe("storage_quota");
  expect((await heard(page, "quota")).length).toBeGreaterThan(0);
  expect(await page.evaluate(() => window.app.hub.status.full)).toBe(true);
  const left = await page.evaluate(
    async () => (await window.app.hub.client.listInstanceIds({ pageSize: 1000 })).instanceIds,
  );
  expect(left.filter((id) => id.startsWith("old"))).toEqual([]);
  expect(left).toContain("running");
  await makeRoom(left);
  await page.evaluate(() => window.app.raise("running", "word", "still here", "k"));
  expect(await page.evaluate(() => window.app.wait("running"))).toEqual({ status: "COMPLETED", output: "still here" });
}

/** Has the storage of an open hub cleared: that is reported, and the hub serves again, empty. */
export async function loseAll(page: Page, name: string, clear: () => Promise<unknown>): Promise<void> {
  await page.evaluate((hub) => window.app.open(hub), name);
  await page.evaluate(() => window.app.start("listener", undefined, "gone"));
  await clear();
  await eventually(
    () => heard(page, "lost"),
    (lost) => lost.includes("storage_lost"),
  );
  const asked = await page.evaluate(() => window.app.attempt(() => window.app.metadata("gone")));
  expect(asked).toMatchObject({ ok: false, code: "instance_not_found" });
  await page.evaluate(() => window.app.start("counter", { steps: 3, ms: 0 }, "new"));
  expect(await page.evaluate(() => window.app.wait("new"))).toEqual({ status: "COMPLETED", output: 3 });
}
