/** Pages with a client and a worker over Connect, as `window.remote`. */
import type { Page } from "playwright";
import { afterAll, afterEach, beforeAll } from "vitest";
import type { BrowserName } from "../../../scripts/browsers.ts";
import type { Remote } from "../app/remote-page.ts";
import { DrivenBrowser } from "./browser.ts";
import type { Site } from "./site.ts";

declare global {
  interface Window {
    remote: Remote;
  }
}

/** One browser for the tests of a suite, and pages that each of them opens; they are closed after it. */
export interface RemotePages {
  readonly browser: DrivenBrowser;
  open(site: Site): Promise<Page>;
}

/** To be called inside of a suite. */
export function remotePages(name: BrowserName): RemotePages {
  let browser: DrivenBrowser;
  const pages: Page[] = [];
  beforeAll(async () => {
    browser = await DrivenBrowser.launch(name);
  });
  afterEach(async () => {
    await Promise.all(pages.splice(0).map((page) => page.close()));
  });
  afterAll(async () => {
    await browser.close();
    browser.forget();
  });
  return {
    get browser() {
      return browser;
    },
    async open(site) {
      const page = await browser.context.newPage();
      pages.push(page);
      await page.goto(`${site.url}remote`);
      await page.waitForFunction(() => "remote" in window);
      return page;
    },
  };
}
