import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A server to publish through. */
export interface Server {
  readonly url: string;
  /** Stops it, if it was started for this. */
  stop(): Promise<void>;
}

/** The server on a port of this machine; starts one where none answers. */
export async function serverAt(port: number, say: (line: string) => void): Promise<Server> {
  const url = `http://127.0.0.1:${port}`;
  if (await isPerdura(url)) {
    say(`publishing through the server at ${url}`);
    return { url, stop: async () => undefined };
  }
  say(`nothing answers at ${url}: starting a server there`);
  const local = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  const child = spawn(
    process.execPath,
    ["--import", new URL("../die-with-parent.mjs", import.meta.url).href, local("../start.ts")],
    { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, PORT: String(port) } },
  );
  const exited = once(child, "exit");
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line.startsWith("Perdura is at")) resolve();
    });
  });
  const isReady = await Promise.race([ready.then(() => true), exited.then(() => false)]);
  if (!isReady) throw new Error("the server did not start: see the messages above");
  say("the server is up");
  return {
    url,
    stop: async () => {
      child.kill("SIGTERM");
      await exited;
    },
  };
}

async function isPerdura(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2_000) });
    return ((await response.json()) as { readonly service?: string }).service === "perdura";
  } catch {
    return false;
  }
}
