/**
 * Bundles each entry that runs in a browser or a Worker, and the core file by file: no Node builtin may be reached, and
 * the core may reach nothing but itself and the protobuf runtime. (Type-only imports leave no trace in a bundle; for the
 * core, biome.json restricts those.)
 */
import { globSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const WORKERS_ONLY = ["cloudflare:workers"];
const ENTRIES: Record<string, readonly string[]> = {
  "src/core/index.ts": [],
  "src/backends/memory/index.ts": [],
  "src/backends/indexeddb/index.ts": [],
  "src/connect/index.ts": [],
  "src/backends/durable-object/index.ts": WORKERS_ONLY,
  "worker/index.ts": WORKERS_ONLY,
};

/** Bundles for a host without Node; an import that cannot be resolved there, a builtin for one, is an error. */
async function bundle(entry: string, external: readonly string[]): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    external: [...external],
    minify: true,
    write: false,
    logLevel: "silent",
  });
  return outputFiles[0]?.contents ?? new Uint8Array();
}

/** What files of the core import from outside it. */
async function strayImports(): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: globSync("src/core/**/*.ts").filter((file) => !file.endsWith(".d.ts")),
    bundle: true,
    format: "esm",
    platform: "neutral",
    packages: "external",
    outdir: "dist",
    metafile: true,
    write: false,
    logLevel: "silent",
  });
  return Object.entries(metafile.inputs).flatMap(([file, { imports }]) =>
    imports
      .filter(({ path, external }) =>
        external ? !/^@bufbuild\/protobuf(\/|$)/.test(path) : !path.startsWith("src/core/"),
      )
      .map(({ path }) => `${file} imports ${path}: the core may not know it.`),
  );
}

export async function checkBundles(): Promise<string> {
  const problems: string[] = [];
  const attempt = async <T>(work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work;
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  };
  const sizes = new Map<string, number>();
  for (const [entry, external] of Object.entries(ENTRIES)) {
    const bytes = await attempt(bundle(entry, external));
    if (bytes !== undefined) sizes.set(entry, gzipSync(bytes).length);
  }
  problems.push(...((await attempt(strayImports())) ?? []));
  if (problems.length > 0) throw new Error(problems.join("\n"));
  const core = sizes.get("src/core/index.ts") ?? 0;
  return `no Node builtin in ${sizes.size} entries, core is host-free, ${(core / 1000).toFixed(1)} kB gzip`;
}
