import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { browsers } from "../../../scripts/browsers.ts";
import { runChaos } from "../driver/chaos.ts";
import { type Site, serveSite } from "../driver/site.ts";

let site: Site;
beforeAll(async () => {
  site = await serveSite();
});
afterAll(() => site.close());

describe.each(browsers().map(({ name }) => name))("kills in %s", (name) => {
  it("pages closed, renderers crashed, workers terminated, browsers killed: nothing acknowledged is lost, all ends right", async () => {
    const report = await runChaos({
      browser: name,
      kills: 12,
      seed: 20261124,
      site,
      log: (line) => console.log(line),
      weights: { page: 2, renderer: name === "chromium" ? 2 : 0, worker: 2, browser: 2 },
    });
    console.log(
      `${name}: ${JSON.stringify(report.kills)}, ${report.starts} starts, ${report.events} events, ${report.losses.length} losses`,
    );
    expect(report.violations).toEqual([]);
    expect(report.ended).toBe(report.starts);
  });
});
