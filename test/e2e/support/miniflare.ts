import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { ownWorkerds } from "./workerd-processes.ts";

/** Which Worker to start, and where. */
export interface WorkerOptions {
  /** The entry's path from the repository's root, say `worker/index.ts`. */
  readonly entry: string;
  /** The folder of the Durable Objects' storage: a second Worker on it goes on where the first stopped. */
  readonly persist: string;
  /** Variables of the environment. Default none. */
  readonly bindings?: Readonly<Record<string, string>>;
  /** Binding to exported class; all have SQLite storage. */
  readonly durableObjects: Readonly<Record<string, string>>;
  /** Binding to exported class of the platform's workflows. Default none. */
  readonly workflows?: Readonly<Record<string, string>>;
}

/** A Worker in a workerd of its own. */
export interface RunningWorker {
  /** Where it listens, without a slash at the end. */
  readonly url: string;
  /** Of its workerd. */
  readonly pid: number;
  /** Sends a request over HTTP; the path begins with a slash. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Kills workerd with SIGKILL, as a crash of the machine would, and starts none in its place. */
  kill9(): Promise<void>;
  stop(): Promise<void>;
}

const NAME = "perdura";
const root = new URL("../../../", import.meta.url).pathname;
const bundles = new Map<string, Promise<string>>();
let starting: Promise<unknown> = Promise.resolve();

/** Starts a Worker. One starts after the other, so that each knows its own process. */
export function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const started = starting.then(() => start(options));
  starting = started.catch(() => undefined);
  return started;
}

async function start({
  entry,
  persist,
  bindings = {},
  durableObjects,
  workflows = {},
}: WorkerOptions): Promise<RunningWorker> {
  const contents = await bundled(entry);
  const before = ownWorkerds();
  const miniflare = new Miniflare({
    cf: false,
    logRequests: false,
    enableDevRegistry: false,
    telemetry: { enabled: false },
    resourcePersistencePath: persist,
    // What workerd says of a connection that a kill cuts is no news.
    handleStructuredLogs: ({ level, message }) => {
      if (process.env.PERDURA_TEST_LOGS === "1") console.error(level, message);
    },
    workers: [
      {
        config: {
          name: NAME,
          compatibilityDate: "2026-10-01",
          compatibilityFlags: ["no_nodejs_compat", "no_nodejs_compat_v2"],
          manifest: {
            mainModule: "worker.js",
            modulesRoot: "/",
            modules: { "worker.js": { type: "esm", contents } },
          },
          env: {
            ...Object.fromEntries(
              Object.entries(durableObjects).map(([binding, exportName]) => [
                binding,
                { type: "durable-object" as const, worker: NAME, exportName },
              ]),
            ),
            ...Object.fromEntries(
              Object.entries(workflows).map(([binding, exportName]) => [
                binding,
                { type: "workflow" as const, name: binding.toLowerCase(), worker: NAME, exportName },
              ]),
            ),
            ...Object.fromEntries(
              Object.entries(bindings).map(([binding, value]) => [binding, { type: "text" as const, value }]),
            ),
          },
          exports: Object.fromEntries(
            Object.values(durableObjects).map((exportName) => [
              exportName,
              { type: "durable-object" as const, storage: "sqlite" as const },
            ]),
          ),
        },
        dev: {},
      },
    ],
  });
  const url = (await miniflare.ready).origin;
  const [pid, ...others] = [...ownWorkerds()].filter((each) => !before.has(each));
  if (pid === undefined || others.length > 0) {
    await miniflare.dispose();
    throw new Error(`expected one new workerd process, found ${others.length + (pid === undefined ? 0 : 1)}`);
  }
  return {
    url,
    pid,
    fetch: (path, init) => fetch(`${url}${path}`, init),
    kill9: async () => {
      process.kill(pid, "SIGKILL");
      // At once, before Miniflare notices: it would start another one.
      await miniflare.dispose();
    },
    stop: () => miniflare.dispose(),
  };
}

/** The Worker as one module: Miniflare does not follow imports. */
function bundled(entry: string): Promise<string> {
  const known = bundles.get(entry);
  if (known !== undefined) return known;
  const bundle = build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    external: ["cloudflare:workers"],
    write: false,
    logLevel: "silent",
  }).then(({ outputFiles: [file] }) => file?.text ?? "");
  bundles.set(entry, bundle);
  return bundle;
}
