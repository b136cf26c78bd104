import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium, firefox, type Page } from "playwright";
import { type BrowserName, browsers, CHROMIUM_ARGS } from "../../../scripts/browsers.ts";
import { killTree, usageOf } from "../../../scripts/processes.ts";
import type { App } from "../app/page.ts";

declare global {
  interface Window {
    app: App;
  }
}

/** How a browser is started. */
export interface LaunchOptions {
  /** A profile from before. Default: a new one. */
  readonly profile?: string;
  /** Arguments of Playwright's own that are to be left out. */
  readonly without?: readonly string[];
  readonly args?: readonly string[];
  readonly headless?: boolean;
  /** Preferences of Firefox, by name. */
  readonly preferences?: Readonly<Record<string, number>>;
}

/** A browser with a profile on disk. */
export class DrivenBrowser {
  readonly name: BrowserName;
  readonly profile: string;
  readonly context: BrowserContext;

  private constructor(name: BrowserName, profile: string, context: BrowserContext) {
    this.name = name;
    this.profile = profile;
    this.context = context;
  }

  static async launch(name: BrowserName, options: LaunchOptions = {}): Promise<DrivenBrowser> {
    const executablePath = browsers().find((browser) => browser.name === name)?.path;
    if (executablePath === undefined) throw new Error(`${name} is not installed`);
    const profile = options.profile ?? mkdtempSync(join(tmpdir(), `perdura-${name}-`));
    const { headless = true, args = [], without = [], preferences = {} } = options;
    const context =
      name === "chromium"
        ? await chromium.launchPersistentContext(profile, {
            executablePath,
            headless,
            args: [...CHROMIUM_ARGS, ...args],
            ignoreDefaultArgs: [...without],
          })
        : await firefox.launchPersistentContext(profile, {
            executablePath,
            headless,
            channel: "moz-firefox",
            firefoxUserPrefs: { ...preferences },
          });
    return new DrivenBrowser(name, profile, context);
  }

  /** A tab with the app loaded; no hub is open in it yet. */
  async tab(url: string): Promise<Page> {
    const page = await this.context.newPage();
    await page.goto(url);
    await ready(page);
    return page;
  }

  /** The process that runs a page, as its work shows (Linux). Pages of one site have each their own while they are few. */
  async processOf(page: Page): Promise<number> {
    const before = new Map(usageOf(this.profile).map(({ pid, ticks }) => [pid, ticks]));
    await page.evaluate(() => {
      const endMs = Date.now() + 1000;
      while (Date.now() < endMs);
    });
    const [busiest] = usageOf(this.profile)
      .map(({ pid, ticks }) => ({ pid, ticks: ticks - (before.get(pid) ?? 0) }))
      .sort((one, other) => other.ticks - one.ticks);
    if (busiest === undefined) throw new Error("this system tells nothing of processes");
    return busiest.pid;
  }

  /** Closes the browser as a person does. */
  async close(): Promise<void> {
    await this.context.close();
  }

  /** Kills the whole browser, all of its processes, and waits until they are gone. */
  async kill(): Promise<void> {
    await killTree(this.profile);
    await this.context.close().catch(() => undefined);
  }

  /** Deletes the profile. */
  forget(): void {
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Waits until the page's app is there, after a load or a reload. */
export async function ready(page: Page): Promise<void> {
  await page.waitForFunction(() => "app" in window, undefined, { timeout: 20_000 });
}

/** Waits until the condition holds. @throws when it does not within `ms`. */
export async function eventually<T>(
  ask: () => Promise<T> | T,
  isRight: (value: T) => boolean,
  ms = 15_000,
): Promise<T> {
  const endMs = Date.now() + ms;
  for (;;) {
    const value = await ask();
    if (isRight(value)) return value;
    if (Date.now() > endMs) throw new Error(`never so; last: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Crashes the process of a page (Chromium). The page object is worth nothing afterwards, and cannot be closed either. */
export async function crash(page: Page): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const crashed = page.waitForEvent("crash");
  void session.send("Page.crash").catch(() => undefined);
  await crashed;
}
