/** Processes that are killed, not asked: the worker in mid-activity, the server in mid-run. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, it } from "vitest";
import { createConnectTaskHubClient } from "../../src/connect/index.ts";
import type { TaskHubClient } from "../../src/core/hub/task-hub-client.ts";
import { type ServeProcess, startPerdura, startScript, startServe } from "./support/serve-process.ts";

type Dialect = "microsoft" | "dapr";

const cleanup: (() => unknown)[] = [];

afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
});

async function served(...args: string[]): Promise<ServeProcess> {
  return servedTo("microsoft", ...args);
}

async function servedTo(dialect: Dialect, ...args: string[]): Promise<ServeProcess> {
  const server = await startServe("--dialect", dialect, ...args);
  cleanup.push(() => server.end("SIGKILL").catch(() => undefined));
  return server;
}

function clientOf(address: string): TaskHubClient {
  return createConnectTaskHubClient(createGrpcTransport({ baseUrl: `http://${address}` }));
}

async function worker(
  address: string,
  seconds: number,
  dialect: Dialect = "microsoft",
): Promise<{ kill(): Promise<void>; lines(): string[] }> {
  const script = await startScript(`${dialect}-worker.ts`, address, String(seconds));
  cleanup.push(() => script.kill());
  return script;
}

describe.each(["microsoft", "dapr"] as const)("perdura serve, with workers of %s's SDK,", (dialect) => {
  it("gives an activity to another worker when its worker is killed", { timeout: 40_000 }, async () => {
    const server = await servedTo(dialect, "--listen", "127.0.0.1:0");
    const client = clientOf(server.address);
    const first = await worker(server.address, 60, dialect);
    const id = await client.scheduleNewOrchestration("slowly", ["a"]);
    await expect.poll(() => first.lines(), { timeout: 10_000 }).toContain("begins a");
    await first.kill();
    const second = await worker(server.address, 0, dialect);
    const metadata = await client.waitForOrchestrationCompletion(id, { timeout: "20s" });
    expect(metadata.output).toBe("1");
    expect(second.lines()).toContain("ends a");
  });

  it("goes on where it was when it is killed and comes back, with a worker that reconnects", {
    timeout: 60_000,
  }, async () => {
    const data = mkdtempSync(join(tmpdir(), "perdura-serve-"));
    cleanup.push(() => rmSync(data, { recursive: true, force: true }));
    const server = await servedTo(dialect, "--listen", "127.0.0.1:0", "--data", data);
    const run = await worker(server.address, 0.3, dialect);
    const client = clientOf(server.address);
    const names = ["a", "b", "c", "d", "e", "f"];
    const id = await client.scheduleNewOrchestration("slowly", names);
    await expect.poll(() => run.lines(), { timeout: 10_000 }).toContain("ends b");
    expect(await server.end("SIGKILL")).toBe("SIGKILL");
    const again = await servedTo(dialect, "--listen", server.address, "--data", data);
    expect(again.address).toBe(server.address);
    const metadata = await clientOf(again.address).waitForOrchestrationCompletion(id, { timeout: "40s" });
    expect(metadata.output).toBe(String(names.length));
    // What had answered before the kill was not run again.
    expect(run.lines().filter((line) => line === "begins a")).toHaveLength(1);
  });
});

describe("perdura serve", () => {
  it("keeps a folder to one process", async () => {
    const data = mkdtempSync(join(tmpdir(), "perdura-serve-"));
    cleanup.push(() => rmSync(data, { recursive: true, force: true }));
    await served("--listen", "127.0.0.1:0", "--data", data);
    await expect(startServe("--listen", "127.0.0.1:0", "--data", data)).rejects.toThrow(
      /cannot be opened.*another process/s,
    );
  });

  it("prints one line, and stops cleanly on SIGINT and SIGTERM while workers are connected", {
    timeout: 40_000,
  }, async () => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const server = await served("--listen", "127.0.0.1:0");
      const busy = await worker(server.address, 60);
      await clientOf(server.address).scheduleNewOrchestration("slowly", ["a"]);
      await expect.poll(() => busy.lines(), { timeout: 10_000 }).toContain("begins a");
      const begun = Date.now();
      expect(await server.end(signal)).toBe(0);
      expect(Date.now() - begun).toBeLessThan(5000);
      expect(server.output()).toMatch(
        /^perdura serves a task hub on 127\.0\.0\.1:\d+ \(dialect microsoft, in memory\)\n$/,
      );
      await busy.kill();
    }
  });

  it("hands back what is in work when it is asked to stop, as often as that is", { timeout: 60_000 }, async () => {
    const data = mkdtempSync(join(tmpdir(), "perdura-serve-"));
    cleanup.push(() => rmSync(data, { recursive: true, force: true }));
    let server = await served("--listen", "127.0.0.1:0", "--data", data);
    const id = await clientOf(server.address).scheduleNewOrchestration("slowly", ["a"]);
    // More often than the host of an activity may die over it.
    for (let stops = 0; stops < 6; stops++) {
      const busy = await worker(server.address, 60);
      await expect.poll(() => busy.lines(), { timeout: 10_000 }).toContain("begins a");
      expect(await server.end(stops % 2 === 0 ? "SIGTERM" : "SIGINT")).toBe(0);
      await busy.kill();
      server = await served("--listen", "127.0.0.1:0", "--data", data);
    }
    const last = await worker(server.address, 0);
    const metadata = await clientOf(server.address).waitForOrchestrationCompletion(id, { timeout: "20s" });
    expect(metadata.output).toBe("1");
    expect(last.lines()).toContain("ends a");
  });

  it("an activity of a worker does not count as what kills the server, however often that is killed over it", {
    timeout: 60_000,
  }, async () => {
    const data = mkdtempSync(join(tmpdir(), "perdura-serve-"));
    cleanup.push(() => rmSync(data, { recursive: true, force: true }));
    let server = await served("--listen", "127.0.0.1:0", "--data", data);
    const id = await clientOf(server.address).scheduleNewOrchestration("slowly", ["a"]);
    for (let kills = 0; kills < 6; kills++) {
      const busy = await worker(server.address, 60);
      await expect.poll(() => busy.lines(), { timeout: 10_000 }).toContain("begins a");
      await server.end("SIGKILL");
      await busy.kill();
      server = await served("--listen", "127.0.0.1:0", "--data", data);
    }
    await worker(server.address, 0);
    const metadata = await clientOf(server.address).waitForOrchestrationCompletion(id, { timeout: "20s" });
    expect(metadata.output).toBe("1");
  });

  it("says what is wrong with a command line", async () => {
    for (const [args, text] of [
      [["--listen", "nowhere"], "give host:port"],
      [["--dialect", "klingon"], "--dialect is 'klingon'"],
      [["--port", "1"], "Unknown option"],
    ] as const) {
      await expect(startServe(...args)).rejects.toThrow(text);
    }
    const server = await served("--listen", "127.0.0.1:0");
    await expect(startServe("--listen", server.address)).rejects.toThrow("EADDRINUSE");
  });

  it("serves in memory where Node has no SQLite of its own, and says what a hub on disk needs", async () => {
    const withoutSqlite = { NODE_OPTIONS: "--no-experimental-sqlite" };
    const server = await startPerdura(["serve", "--listen", "127.0.0.1:0"], withoutSqlite);
    expect(await server.end("SIGTERM")).toBe(0);
    await expect(startPerdura(["serve", "--data", "unused"], withoutSqlite)).rejects.toThrow(
      /^perdura ended with 1: a hub on disk needs Node's own SQLite.*take Node 22\.13 or later/,
    );
  });

  it("says how it is used to whoever asks, before or after a command", async () => {
    for (const args of [["--help"], ["serve", "--help"], ["gateway", "-h"]]) {
      await expect(startPerdura(args)).rejects.toThrow(/^perdura ended with 0: Usage: perdura serve/);
    }
  });
});
