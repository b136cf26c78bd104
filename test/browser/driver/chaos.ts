import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Page } from "playwright";
import type { BrowserName } from "../../../scripts/browsers.ts";
import { crash, DrivenBrowser } from "./browser.ts";
import type { Site } from "./site.ts";

/** The ways in which a run is ended in the middle. */
export type KillKind = "page" | "renderer" | "worker" | "browser";

/** What a chaos run is made of. */
export interface ChaosOptions {
  readonly browser: BrowserName;
  readonly kills: number;
  readonly seed: number;
  readonly site: Site;
  readonly log: (line: string) => void;
  /** How often each kind of kill is drawn, relative to the others. */
  readonly weights: Readonly<Record<KillKind, number>>;
}

/** What came of it. */
export interface ChaosReport {
  readonly kills: Readonly<Record<KillKind, number>>;
  readonly starts: number;
  readonly events: number;
  readonly ended: number;
  /** How often the database was gone after a kill, with what was found in its place. */
  readonly losses: readonly string[];
  /** Promises that were broken; must be empty. */
  readonly violations: readonly string[];
}

interface Instance {
  readonly id: string;
  readonly orchestrator: string;
  readonly input: unknown;
  readonly expected: unknown;
  /** Events that it wants, each with whether it was acknowledged. */
  readonly events: { readonly payload: number; accepted: boolean }[];
  accepted: boolean;
  /** Its end was seen. */
  ended: boolean;
}

const HUB = "chaos";

/** A small generator of numbers, so that a run can be made again. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

/** Starts and feeds orchestrations, and kills what runs them at random moments, until all have ended. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const run = new ChaosRun(options);
  try {
    return await run.run();
  } finally {
    await run.close();
  }
}

class ChaosRun {
  readonly #options: ChaosOptions;
  readonly #random: () => number;
  readonly #instances: Instance[] = [];
  readonly #kills: Record<KillKind, number> = { page: 0, renderer: 0, worker: 0, browser: 0 };
  readonly #losses: string[] = [];
  readonly #violations: string[] = [];
  #browser: DrivenBrowser | undefined;
  #page: Page | undefined;
  #inWorker = false;
  #killing = false;
  #counter = 0;
  #events = 0;

  constructor(options: ChaosOptions) {
    this.#options = options;
    this.#random = randomOf(options.seed);
  }

  async run(): Promise<ChaosReport> {
    const { kills, log } = this.#options;
    for (let n = 0; n < kills; n++) {
      const kind = this.#draw();
      await this.#open(kind === "worker");
      await this.#check();
      const work = this.#work();
      await sleep(20 + this.#random() * 350);
      this.#killing = true;
      await this.#kill(kind);
      await work;
      this.#killing = false;
      this.#kills[kind]++;
      if ((n + 1) % 20 === 0) log(`${n + 1} kills, ${this.#instances.length} instances, ${this.#losses.length} losses`);
    }
    await this.#open(false);
    await this.#check();
    await this.#finish();
    return {
      kills: this.#kills,
      starts: this.#instances.length,
      events: this.#events,
      ended: this.#instances.filter(({ ended }) => ended).length,
      losses: this.#losses,
      violations: this.#violations,
    };
  }

  async close(): Promise<void> {
    await this.#browser?.kill();
    this.#browser?.forget();
  }

  #draw(): KillKind {
    const entries = Object.entries(this.#options.weights) as [KillKind, number][];
    let left = this.#random() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [kind, weight] of entries) {
      left -= weight;
      if (left < 0) return kind;
    }
    return "page";
  }

  /** Brings a page with an open hub up, whatever was killed before. */
  async #open(inWorker: boolean): Promise<void> {
    const { browser, site } = this.#options;
    if (this.#browser === undefined) {
      this.#browser = await DrivenBrowser.launch(
        browser,
        this.#profile === undefined ? {} : { profile: this.#profile },
      );
      this.#profile = this.#browser.profile;
    }
    if (this.#page !== undefined && this.#inWorker !== inWorker) {
      await this.#page.close();
      this.#page = undefined;
    }
    this.#inWorker = inWorker;
    this.#page ??= await this.#browser.tab(site.url);
    await this.#page.evaluate(
      ([hub, over]) => (over ? window.app.openOver("dedicated", hub) : window.app.open(hub, { maxDeaths: 1_000_000 })),
      [HUB, inWorker] as const,
    );
  }

  #profile: string | undefined;

  /** All that was acknowledged must be there; unless the whole database is gone, and the hub says so. */
  async #check(): Promise<void> {
    const page = this.#live();
    const found = new Set(
      await page.evaluate(async () => {
        const ids: string[] = [];
        let token: string | undefined;
        do {
          const { client } = window.app.hub;
          const next = await client.listInstanceIds({
            pageSize: 1000,
            ...(token === undefined ? {} : { continuationToken: token }),
          });
          ids.push(...next.instanceIds);
          token = next.continuationToken;
        } while (token !== undefined);
        return ids;
      }),
    );
    const missing = this.#instances.filter(({ id, accepted }) => accepted && !found.has(id));
    if (missing.length === 0) return;
    const reported = await page.evaluate(() =>
      window.app.seen.some(({ type, detail }) => type === "lost" && detail === "storage_lost"),
    );
    if (found.size > 0 || !reported) {
      this.#violations.push(
        `${missing.length} acknowledged starts are missing (${found.size} found, loss reported: ${reported})`,
      );
    }
    this.#losses.push(this.#evidence(missing.length));
    this.#options.log(`LOSS: ${this.#losses.at(-1)}`);
    for (const instance of this.#instances) {
      if (instance.ended) continue;
      instance.accepted = false;
      for (const event of instance.events) event.accepted = false;
    }
    // What had ended before the loss cannot be looked at again.
    this.#instances.splice(0, this.#instances.length, ...this.#instances.filter(({ ended }) => !ended));
  }

  /** What is in the profile where the database was. */
  #evidence(missing: number): string {
    const lines = [`${missing} acknowledged starts gone after ${JSON.stringify(this.#kills)}`];
    const root = join(this.#profile ?? "", "Default", "IndexedDB");
    if (!existsSync(root)) return `${lines[0]}; no ${root}`;
    for (const name of readdirSync(root, { recursive: true, encoding: "utf8" })) {
      const path = join(root, name);
      if (!statSync(path).isFile()) continue;
      lines.push(`${name} ${statSync(path).size}`);
      if (/LOG(\.old)?$/.test(name)) lines.push(readFileSync(path, "utf8").slice(-2000));
    }
    return lines.join("\n");
  }

  /** Starts new orchestrations, and asks again for what was not acknowledged. Ends when the page is gone. */
  async #work(): Promise<void> {
    const page = this.#live();
    try {
      for (;;) {
        const waiting = this.#instances.find(({ accepted }) => !accepted);
        const instance = waiting ?? this.#newInstance();
        if (!instance.accepted) {
          const { orchestrator, input, id } = instance;
          await page.evaluate(([name, value, instanceId]) => window.app.start(name, value, instanceId), [
            orchestrator,
            input,
            id,
          ] as const);
          instance.accepted = true;
        }
        await this.#feed(page);
        await sleep(this.#random() * 40);
      }
    } catch (error) {
      // Killed: what was not acknowledged is asked for again. Anything else is no way to answer.
      if (!this.#killing)
        this.#violations.push(`a call failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async #feed(page: Page): Promise<void> {
    for (const instance of this.#instances) {
      if (!instance.accepted) continue;
      for (const event of instance.events) {
        if (event.accepted) continue;
        const { payload } = event;
        await page.evaluate(([id, value]) => window.app.raise(id, "item", value, `item-${value}`), [
          instance.id,
          payload,
        ] as const);
        event.accepted = true;
        this.#events++;
        if (this.#random() < 0.5) return;
      }
    }
  }

  #newInstance(): Instance {
    const n = ++this.#counter;
    const kind = Math.floor(this.#random() * 5);
    const make = (orchestrator: string, input: unknown, expected: unknown, events: number[] = []): Instance => ({
      id: `${orchestrator}-${n}`,
      orchestrator,
      input,
      expected,
      events: events.map((payload) => ({ payload, accepted: false })),
      accepted: false,
      ended: false,
    });
    const instance = [
      () => make("counter", { steps: 12, ms: 4 }, 12),
      () => make("collector", 4, [1, 2, 3, 4], [1, 2, 3, 4]),
      () => make("sleeper", 150, "rested"),
      () => make("fan", 8, 36),
      () => make("parent", 5, 7),
    ][kind]?.();
    if (instance === undefined) throw new Error("no such kind");
    this.#instances.push(instance);
    return instance;
  }

  async #kill(kind: KillKind): Promise<void> {
    const page = this.#live();
    switch (kind) {
      case "page":
        await page.close();
        break;
      case "renderer":
        await crash(page);
        break;
      case "worker":
        await page.evaluate(() => window.app.terminate());
        await page.close();
        break;
      case "browser":
        await this.#browser?.kill();
        this.#browser = undefined;
        break;
    }
    this.#page = undefined;
  }

  /** Lets everything end, and compares it with what it should have come to. */
  async #finish(): Promise<void> {
    const page = this.#live();
    for (const instance of this.#instances) {
      const { id, orchestrator, input, events, expected } = instance;
      if (!instance.accepted) {
        await page.evaluate(([name, value, instanceId]) => window.app.start(name, value, instanceId), [
          orchestrator,
          input,
          id,
        ] as const);
      }
      for (const event of events) {
        if (event.accepted) continue;
        const { payload } = event;
        await page.evaluate(([to, value]) => window.app.raise(to, "item", value, `item-${value}`), [
          id,
          payload,
        ] as const);
        this.#events++;
      }
      const waited = await page.evaluate(
        (instanceId) => window.app.attempt(() => window.app.wait(instanceId, "30s")),
        id,
      );
      if (!waited.ok) {
        const state = JSON.stringify(await page.evaluate((instanceId) => window.app.metadata(instanceId), id));
        this.#violations.push(`'${id}' did not end: ${waited.message}; ${state}`);
        continue;
      }
      instance.ended = true;
      const output = Array.isArray(waited.value.output) ? [...waited.value.output].sort() : waited.value.output;
      if (waited.value.status !== "COMPLETED" || JSON.stringify(output) !== JSON.stringify(expected)) {
        this.#violations.push(
          `'${id}' ended as ${waited.value.status} with ${JSON.stringify(output)}, not ${JSON.stringify(expected)}`,
        );
      }
      const history = await page.evaluate((instanceId) => window.app.history(instanceId), id);
      const results = history.filter((event) =>
        /^(taskCompleted|timerFired|executionStarted|executionCompleted)/.test(event),
      );
      if (new Set(results).size !== results.length)
        this.#violations.push(`'${id}' has an effect twice: ${history.join(" ")}`);
    }
  }

  #live(): Page {
    if (this.#page === undefined) throw new Error("no page is open");
    return this.#page;
  }
}
