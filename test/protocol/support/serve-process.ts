import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../../../src/connect/node/cli.ts", import.meta.url));

/** The command `perdura` in a process of its own, which can be killed. */
export interface ServeProcess {
  readonly address: string;
  /** What it has printed so far. */
  readonly output: () => string;
  /** Ends it; resolves with its exit code, or the signal that ended it. */
  end(signal: "SIGKILL" | "SIGTERM" | "SIGINT"): Promise<number | string>;
}

/** Starts `perdura serve` and waits for the line that it prints when it listens. */
export function startServe(...args: readonly string[]): Promise<ServeProcess> {
  return startPerdura(["serve", ...args]);
}

/** Starts the command, with variables beside those of this process, and waits for the line that it prints when it listens. */
export async function startPerdura(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ServeProcess> {
  const child = spawn(process.execPath, [CLI, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  const printed = collect(child);
  const address = await new Promise<string>((resolve, reject) => {
    child.stdout.on("data", () => {
      const found = /on (\S+:\d+) /.exec(printed())?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once("exit", (code) => reject(new Error(`perdura ended with ${code}: ${printed()}`)));
  });
  return {
    address,
    output: printed,
    async end(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode ?? child.signalCode ?? "?";
      const ended = once(child, "exit") as Promise<[number | null, string | null]>;
      child.kill(signal);
      const [code, by] = await ended;
      return code ?? by ?? "?";
    },
  };
}

/** A script of this folder in a process of its own. */
export async function startScript(
  name: string,
  ...args: readonly string[]
): Promise<{ kill(): Promise<void>; lines(): string[] }> {
  const script = fileURLToPath(new URL(name, import.meta.url));
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const printed = collect(child);
  return {
    lines: () => printed().split("\n"),
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

function collect(child: ChildProcess): () => string {
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
  }
  return () => text;
}
