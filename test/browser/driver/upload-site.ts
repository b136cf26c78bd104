import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, request as proxied, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { startSample } from "../../e2e/support/publications.ts";

const CONFIG = fileURLToPath(new URL("../../../examples/browser/vite.config.ts", import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
};

/** The browser example as it is served: built files, and the sample Worker behind them, on one origin of this machine. */
export class UploadSite {
  /** Of the page. */
  readonly url: string;
  /** How many requests to the Worker are answered with a status of its own choice before others get through. */
  trouble: { left: number; readonly status: number } = { left: 0, status: 503 };
  /** Appended to the service worker's script: another version of the app. */
  version = "";
  readonly #server: Server;
  readonly #stop: () => Promise<void>;
  /** How many chunks may still pass. */
  #passes = Number.POSITIVE_INFINITY;
  #held: (() => void)[] = [];

  private constructor(url: string, server: Server, stop: () => Promise<void>) {
    this.url = url;
    this.#server = server;
    this.#stop = stop;
  }

  /** Builds the example and starts the Worker. */
  static async start(): Promise<UploadSite> {
    const folder = mkdtempSync(join(tmpdir(), "perdura-example-"));
    const outDir = join(folder, "built");
    await build({ configFile: CONFIG, logLevel: "warn", build: { outDir } });
    const worker = await startSample(join(folder, "state"));
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const site = new UploadSite(`http://127.0.0.1:${port}/examples/browser/`, server, async () => {
      await worker.stop();
      rmSync(folder, { recursive: true, force: true });
    });
    server.on("request", (request, response) => void site.#answer(request, response, outDir, worker.url));
    return site;
  }

  /** Lets so many chunks pass, and holds those that come after until {@link release}. */
  holdAfter(chunks: number): void {
    this.#passes = chunks;
  }

  /** Lets everything pass. */
  release(): void {
    this.#passes = Number.POSITIVE_INFINITY;
    for (const pass of this.#held.splice(0)) pass();
  }

  /** What the Worker says at a path. */
  async ask(path: string): Promise<Response> {
    return fetch(new URL(path, this.url));
  }

  async close(): Promise<void> {
    this.release();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await this.#stop();
  }

  async #answer(request: IncomingMessage, response: ServerResponse, outDir: string, worker: string): Promise<void> {
    const { pathname } = new URL(request.url ?? "/", this.url);
    const [, file] = /^\/examples\/browser\/(.*)$/.exec(pathname) ?? [];
    if (file !== undefined) {
      const suffix = file === "service-worker.js" ? this.version : "";
      return serveFile(response, join(outDir, file === "" ? "index.html" : file), suffix);
    }
    if (this.trouble.left > 0) {
      this.trouble.left -= 1;
      request.resume();
      response.writeHead(this.trouble.status).end("not now");
      return;
    }
    if (/\/chunks\//.test(pathname)) {
      if (this.#passes <= 0) await new Promise<void>((resolve) => this.#held.push(resolve));
      this.#passes -= 1;
    }
    const { method, headers } = request;
    const onward = proxied(new URL(request.url ?? "/", worker), { method: method ?? "GET", headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    // The page went away in the middle.
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  }
}

function serveFile(response: ServerResponse, path: string, suffix: string): void {
  try {
    const content = Buffer.concat([readFileSync(path), Buffer.from(suffix)]);
    response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream" }).end(content);
  } catch {
    response.writeHead(404).end();
  }
}
