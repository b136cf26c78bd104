#!/usr/bin/env node
/** The command `perdura`. */
import { parseArgs } from "node:util";
import { defaultLogger, type Logger, type LogLevel } from "../../core/hub/logger.ts";
import type { DialectChoice } from "../server/dialect-switch.ts";
import { openGateway } from "./gateway.ts";

const USAGE = `Usage: perdura serve [options]
       perdura gateway --upstream <url> [options]

serve    a task hub for workers and clients of the Durable Task protocol: native gRPC (h2c), gRPC-Web and Connect
gateway  forwards native gRPC (h2c) to a deployed Worker, which serves gRPC-Web and Connect only

  --listen <host:port>   where to listen; default 127.0.0.1:4001
  --dialect <name>       dapr, microsoft or auto (default): the dialect of requests that do not tell
  --log <level>          debug, info, warn (default), error or silent

serve:
  --data <folder>        keep the hub on disk, in that folder; default: in memory

gateway:
  --upstream <url>       the Worker's address, as in https://hub.example.com
  --token <token>        the Worker's credential. Better in the environment variable PERDURA_TOKEN: everybody on this
                         machine can read the arguments of a process`;

const COMMON_OPTIONS = {
  listen: { type: "string", default: "127.0.0.1:4001" },
  dialect: { type: "string", default: "auto" },
  log: { type: "string", default: "warn" },
} as const;

/** A mistake on the command line. */
class UsageError extends Error {}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const isUsage =
    error instanceof UsageError || (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS") === true;
  console.error(error instanceof Error ? error.message : String(error));
  if (isUsage) console.error(`\n${USAGE}`);
  process.exitCode = isUsage ? 2 : 1;
}

async function main(args: readonly string[]): Promise<void> {
  const [command, ...rest] = args;
  if (command === "help" || args.includes("--help") || args.includes("-h")) console.log(USAGE);
  else if (command === "serve") await runServe(rest);
  else if (command === "gateway") await runGateway(rest);
  else throw new UsageError(command === undefined ? "name a command" : `there is no command '${command}'`);
}

async function runServe(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { ...COMMON_OPTIONS, data: { type: "string" } } });
  const { data } = values;
  const { dialect, logger } = commonOf(values);
  const { serve } = await load();
  const hub = await serve({ ...listenOf(values.listen), dialect, logger, ...(data === undefined ? {} : { data }) });
  const kept = data === undefined ? "in memory" : `in ${data}`;
  stopOnSignals(() => hub.close());
  console.log(`perdura serves a task hub on ${hub.host}:${hub.port} (dialect ${dialect}, ${kept})`);
}

async function runGateway(args: readonly string[]): Promise<void> {
  const options = { ...COMMON_OPTIONS, upstream: { type: "string" }, token: { type: "string" } } as const;
  const { values } = parseArgs({ args: [...args], options });
  const { upstream } = values;
  if (upstream === undefined) throw new UsageError("--upstream is missing: give the address of the Worker");
  // An empty variable is one that was not set.
  const token = values.token ?? (process.env.PERDURA_TOKEN || undefined);
  const { dialect, logger } = commonOf(values);
  const gateway = await openGateway({
    ...listenOf(values.listen),
    upstream,
    logger,
    ...(token === undefined ? {} : { token }),
    ...(dialect === "auto" ? {} : { dialect }),
  });
  const shown = token === undefined ? "without a token" : "with a token";
  stopOnSignals(() => gateway.close());
  console.log(`perdura forwards gRPC on ${gateway.host}:${gateway.port} to ${upstream} (dialect ${dialect}, ${shown})`);
}

/** @throws {@link UsageError} */
function commonOf({ dialect, log }: { readonly dialect: string; readonly log: string }): {
  readonly dialect: DialectChoice;
  readonly logger: Logger;
} {
  if (!isOneOf(dialect, ["dapr", "microsoft", "auto"])) throw new UsageError(`--dialect is '${dialect}'`);
  if (!isOneOf(log, ["debug", "info", "warn", "error", "silent"])) throw new UsageError(`--log is '${log}'`);
  return { dialect: dialect as DialectChoice, logger: defaultLogger(log as LogLevel) };
}

/** The part that needs an optional peer dependency. */
async function load(): Promise<typeof import("./serve.ts")> {
  try {
    return await import("./serve.ts");
  } catch (error) {
    if ((error as { code?: string }).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new Error("perdura serve needs @connectrpc/connect-node: npm install @connectrpc/connect-node", {
      cause: error,
    });
  }
}

function isOneOf(value: string, known: readonly string[]): boolean {
  return known.includes(value);
}

function listenOf(listen: string): { host: string; port: number } {
  const colon = listen.lastIndexOf(":");
  const host = listen.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  const port = Number(listen.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port) || port < 0 || port > 65_535 || listen.endsWith(":")) {
    throw new UsageError(`--listen is '${listen}': give host:port, as in 127.0.0.1:4001`);
  }
  return { host, port };
}

/** How long a stop may take, in ms. */
const STOP_MS = 10_000;

/**
 * The first signal stops cleanly; a second one, or a stop that hangs, ends the process. To be called before the line that says that it
 * serves: who waits for that may send a signal at once.
 */
function stopOnSignals(close: () => Promise<void>): void {
  let isStopping = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (isStopping) process.exit(1);
      isStopping = true;
      setTimeout(() => {
        console.error(`perdura could not stop within ${STOP_MS / 1000} seconds`);
        process.exit(1);
      }, STOP_MS);
      close().then(
        () => process.exit(0),
        (error: unknown) => {
          console.error("perdura could not stop cleanly:", error);
          process.exit(1);
        },
      );
    });
  }
}
