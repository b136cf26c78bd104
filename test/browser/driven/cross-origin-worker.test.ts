/** Our client and our worker in a page, against the deployed Worker of another origin, with its token and its allow-list. */
import type { Page } from "playwright";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { browsers } from "../../../scripts/browsers.ts";
import type { RunningWorker } from "../../e2e/support/miniflare.ts";
import { deleteFolder, newFolder, startSample } from "../../e2e/support/publications.ts";
import type { Wire } from "../app/remote-page.ts";
import { eventually } from "../driver/browser.ts";
import { remotePages } from "../driver/remote-pages.ts";
import { type Site, serveSite } from "../driver/site.ts";

const TOKEN = "the-worker-s-token";

let site: Site;
let other: Site;
let worker: RunningWorker;
const folder = newFolder();

beforeAll(async () => {
  site = await serveSite();
  other = await serveSite();
  worker = await startSample(folder, { PERDURA_TOKEN: TOKEN, PERDURA_ORIGINS: new URL(site.url).origin });
});
afterAll(async () => {
  await worker.stop();
  deleteFolder(folder);
  await site.close();
  await other.close();
});

describe.each(browsers().map(({ name }) => name))("a page of another origin in %s", (name) => {
  const pages = remotePages(name);

  async function remotePage(wire: Wire, { token = TOKEN, from = site } = {}): Promise<Page> {
    const page = await pages.open(from);
    await page.evaluate(([on, url, shown]) => window.remote.use(on, url, shown), [wire, worker.url, token] as const);
    return page;
  }

  const codeOfStart = (page: Page, id: string): Promise<string> =>
    page.evaluate((id) => window.remote.codeOf(() => window.remote.start("listen", undefined, id)), id);

  it.each(["connect", "connect+json", "grpc-web"] as const)(
    "runs orchestrators and activities, and is told of errors as they are, over %s",
    async (wire) => {
      const page = await remotePage(wire);
      await page.evaluate(() => window.remote.work());
      const id = `${name}-${wire.replace("+", "-")}`;
      await page.evaluate((id) => window.remote.start("steps", [5, 1], id), id);
      expect(await page.evaluate((id) => window.remote.wait(id), id)).toEqual({ status: "COMPLETED", output: 5 });
      expect((await page.evaluate(() => window.remote.calls)).length).toBe(5);
      await page.evaluate((id) => window.remote.start("fan", 100, id), `${id}-fan`);
      expect((await page.evaluate((id) => window.remote.wait(id), `${id}-fan`)).output).toBe(100);

      // Unary errors, by their own codes.
      expect(await codeOfStart(page, `${id}-listen`)).toBe("ok");
      expect(await codeOfStart(page, `${id}-listen`)).toBe("instance_exists");
      const unknown = await page.evaluate(() =>
        window.remote.codeOf(() => window.remote.client.raiseEvent("nobody", "word")),
      );
      expect(unknown).toBe("instance_not_found");
      // A deadline, and an abort.
      expect(
        await page.evaluate((id) => window.remote.codeOf(() => window.remote.wait(id, "1s")), `${id}-listen`),
      ).toBe("wait_timed_out");
      const aborted = await page.evaluate(
        (id) =>
          window.remote.codeOf(() =>
            window.remote.client.waitForOrchestrationCompletion(id, { signal: AbortSignal.timeout(300) }),
          ),
        `${id}-listen`,
      );
      expect(aborted).toBe("aborted");
      await page.evaluate((id) => window.remote.client.raiseEvent(id, "word", "now"), `${id}-listen`);
      expect((await page.evaluate((id) => window.remote.wait(id), `${id}-listen`)).output).toBe("now");
      const length = await page.evaluate(
        async (id) => (await window.remote.client.getInstanceHistory(id)).length,
        `${id}-fan`,
      );
      expect(length).toBeGreaterThan(200);
      await page.evaluate(() => window.remote.rest());
    },
  );

  it("gets nothing without the token, and nothing from an origin that is not on the list", async () => {
    const tokenless = await remotePage("connect", { token: "wrong" });
    expect(await codeOfStart(tokenless, "never-1")).toBe("unauthenticated");
    const stranger = await remotePage("grpc-web", { from: other });
    // The browser does not even send it: the page learns of a failure and no more.
    expect(await codeOfStart(stranger, "never-2")).toBe("storage");
  });

  it("a page that is closed in the middle of an activity leaves it to another one", async () => {
    const id = `${name}-left`;
    const first = await remotePage("connect");
    await first.evaluate(() => window.remote.work());
    await first.evaluate((id) => window.remote.start("steps", [1, 600_000], id), id);
    await eventually(
      () => first.evaluate(() => window.remote.calls),
      (calls) => calls.includes("slow 0"),
    );
    const second = await remotePage("grpc-web");
    await second.evaluate(() => window.remote.work());
    await first.close();
    // workerd notices when it next writes: with a ping at the latest.
    await eventually(
      () => second.evaluate(() => window.remote.calls),
      (calls) => calls.includes("slow 0"),
      60_000,
    );
    await second.evaluate((id) => window.remote.client.terminateOrchestration(id), id);
    expect((await second.evaluate((id) => window.remote.wait(id), id)).status).toBe("TERMINATED");
  });
});
