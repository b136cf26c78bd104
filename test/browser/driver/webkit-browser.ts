import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { killProcess } from "../../../scripts/processes.ts";
import type { WebKit } from "../../../scripts/webkit.ts";

/** How long starting one of the programs may take, in ms. */
const START_MS = 30_000;

/** WebKitGTK's MiniBrowser, spoken to in the W3C WebDriver protocol. Its storage is as ephemeral as its session. */
export class WebKitBrowser {
  readonly #children: ChildProcess[];
  readonly #home: string;
  readonly #session: string;

  private constructor(children: ChildProcess[], home: string, session: string) {
    this.#children = children;
    this.#home = home;
    this.#session = session;
  }

  /** @throws when a program does not start in time. */
  static async launch(programs: WebKit): Promise<WebKitBrowser> {
    const home = mkdtempSync(join(tmpdir(), "perdura-webkit-"));
    const children: ChildProcess[] = [];
    try {
      const display = await startDisplay(programs.display, children);
      const port = await freePort();
      const env = {
        ...process.env,
        DISPLAY: display,
        HOME: home,
        XDG_RUNTIME_DIR: home,
        GDK_BACKEND: "x11",
        LIBGL_ALWAYS_SOFTWARE: "1",
        WEBKIT_DISABLE_COMPOSITING_MODE: "1",
        // As root there is none to be had.
        WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1",
      };
      children.push(spawn(programs.driver, ["--host=127.0.0.1", `--port=${port}`], { env, stdio: "ignore" }));
      const base = `http://127.0.0.1:${port}`;
      await answering(base);
      const { sessionId } = await ask<{ sessionId: string }>("POST", `${base}/session`, {
        capabilities: {
          alwaysMatch: {
            browserName: "MiniBrowser",
            "webkitgtk:browserOptions": { binary: programs.browser, args: ["--automation"] },
          },
        },
      });
      return new WebKitBrowser(children, home, `${base}/session/${sessionId}`);
    } catch (error) {
      stop(children, home);
      throw error;
    }
  }

  async open(url: string): Promise<void> {
    await ask("POST", `${this.#session}/timeouts`, { script: 60_000, pageLoad: START_MS });
    await ask("POST", `${this.#session}/url`, { url });
  }

  /** The value that an expression's promise resolves to, as JSON. */
  async evaluate<T>(expression: string): Promise<T> {
    const script = `const done = arguments[0]; Promise.resolve(${expression}).then(done, (e) => done("threw: " + e));`;
    return ask<T>("POST", `${this.#session}/execute/async`, { script, args: [] });
  }

  async close(): Promise<void> {
    await ask("DELETE", this.#session).catch(() => undefined);
    stop(this.#children, this.#home);
  }
}

function stop(children: readonly ChildProcess[], home: string): void {
  for (const { pid } of [...children].reverse()) if (pid !== undefined) killProcess(pid);
  rmSync(home, { recursive: true, force: true, maxRetries: 3 });
}

/** Xvfb picks a free number, and writes it to the descriptor that it is given. */
async function startDisplay(program: string, children: ChildProcess[]): Promise<string> {
  const args = ["-displayfd", "3", "-screen", "0", "1024x768x24", "-nolisten", "tcp"];
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "ignore", "pipe"] });
  children.push(child);
  const number = await Promise.race([
    new Promise<string>((resolve) => child.stdio[3]?.once("data", (data: Buffer) => resolve(String(data).trim()))),
    sleep(START_MS).then(() => ""),
  ]);
  if (number === "") throw new Error("Xvfb did not start");
  return `:${number}`;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

async function answering(base: string): Promise<void> {
  const endMs = Date.now() + START_MS;
  for (;;) {
    try {
      await fetch(`${base}/status`);
      return;
    } catch (error) {
      if (Date.now() > endMs) throw new Error("WebKitWebDriver does not answer", { cause: error });
      await sleep(50);
    }
  }
}

async function ask<T>(method: "POST" | "DELETE", url: string, body?: unknown): Promise<T> {
  const response = await fetch(url, {
    method,
    signal: AbortSignal.timeout(90_000),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const { value } = (await response.json()) as { value: T & { error?: string; message?: string } };
  if (!response.ok) throw new Error(`the driver says ${value?.error}: ${value?.message}`);
  return value;
}
