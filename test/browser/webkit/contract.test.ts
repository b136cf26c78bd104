import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { webkit } from "../../../scripts/webkit.ts";
import { backendContract, type ContractSetup } from "../../../src/testing/index.ts";
import { type Site, serveSite } from "../driver/site.ts";
import { WebKitBrowser } from "../driver/webkit-browser.ts";

let site: Site;
let browser: WebKitBrowser;
beforeAll(async () => {
  const programs = webkit();
  if (programs === undefined) throw new Error("WebKitGTK is not installed");
  site = await serveSite();
  browser = await WebKitBrowser.launch(programs);
  await browser.open(`${site.url}conformance`);
}, 60_000);
afterAll(async () => {
  await browser?.close();
  await site?.close();
});

describe("the IndexedDB backend in WebKitGTK", () => {
  let count = 0;
  backendContract(
    {
      describe: (name, body) => describe(name, body),
      // The suite's names and order come from here, its tests run there.
      it: (name) => {
        const index = count++;
        it(name, async () => {
          expect(await browser.evaluate(`conformance.run(${index})`)).toBe("");
        });
      },
    },
    { time: "real" } as ContractSetup,
  );
  it("has run all tests of the suite", async () => {
    expect(await browser.evaluate("conformance.count")).toBe(count);
  });
});
