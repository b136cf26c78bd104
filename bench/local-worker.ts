import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { Miniflare } from "miniflare";

const NAME = "bench";
const root = new URL("../", import.meta.url).pathname;

/** A Worker in a local workerd. */
export interface LocalWorker {
  /** Without a slash at the end. */
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Starts a Worker. Its storage is new, on the folder that TMPDIR names: memory-backed ones repeat best.
 *
 * @param entry its path from the repository's root.
 * @param objects binding to class, all with SQLite storage.
 * @param flow the class of a workflow of the platform, bound as `FLOW`.
 */
export async function startLocalWorker(
  entry: string,
  objects: Readonly<Record<string, string>>,
  flow?: string,
): Promise<LocalWorker> {
  const folder = mkdtempSync(join(tmpdir(), "perdura-bench-"));
  const bundle = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    external: ["cloudflare:workers"],
    write: false,
    logLevel: "silent",
  });
  const bound = Object.entries(objects).map(([binding, exportName]) => [
    binding,
    { type: "durable-object" as const, worker: NAME, exportName },
  ]);
  const classes = Object.values(objects).map((exportName) => [
    exportName,
    { type: "durable-object" as const, storage: "sqlite" as const },
  ]);
  const miniflare = new Miniflare({
    cf: false,
    logRequests: false,
    enableDevRegistry: false,
    telemetry: { enabled: false },
    resourcePersistencePath: folder,
    handleStructuredLogs: () => undefined,
    workers: [
      {
        config: {
          name: NAME,
          compatibilityDate: "2026-10-01",
          compatibilityFlags: ["no_nodejs_compat", "no_nodejs_compat_v2"],
          manifest: {
            mainModule: "worker.js",
            modulesRoot: "/",
            modules: { "worker.js": { type: "esm", contents: bundle.outputFiles[0]?.text ?? "" } },
          },
          env: {
            ...Object.fromEntries(bound),
            ...(flow === undefined
              ? {}
              : { FLOW: { type: "workflow" as const, name: "flow", worker: NAME, exportName: flow } }),
          },
          exports: Object.fromEntries(classes),
        },
        dev: {},
      },
    ],
  });
  return {
    url: (await miniflare.ready).origin,
    async stop() {
      await miniflare.dispose();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
