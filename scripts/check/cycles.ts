/** No two files of src import each other, directly or around: a file can be understood after those that it imports. */
import { globSync } from "node:fs";
import { build } from "esbuild";

/** File to the files it imports, as they are at run time: generated code and type-only imports left out. */
async function importGraph(): Promise<Map<string, string[]>> {
  const { metafile } = await build({
    entryPoints: globSync("src/**/*.ts").filter((file) => !file.endsWith(".d.ts")),
    bundle: true,
    format: "esm",
    platform: "neutral",
    packages: "external",
    external: ["cloudflare:*", "node:*"],
    outdir: "dist",
    metafile: true,
    write: false,
    logLevel: "silent",
  });
  const isOurs = (path: string): boolean => path.startsWith("src/") && !path.includes("/gen/");
  return new Map(
    Object.entries(metafile.inputs)
      .filter(([file]) => isOurs(file))
      .map(([file, { imports }]) => [file, imports.map(({ path }) => path).filter(isOurs)]),
  );
}

/** Every cycle that a depth-first walk closes, each as the files on it with the first one repeated at the end. */
function findCycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = [];
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) cycles.push([...path.slice(at), file]);
    if (at >= 0 || done.has(file)) return;
    for (const next of graph.get(file) ?? []) walk(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) walk(file, []);
  return cycles;
}

export async function checkCycles(): Promise<string> {
  const graph = await importGraph();
  const cycles = findCycles(graph);
  if (cycles.length > 0) throw new Error(cycles.map((cycle) => cycle.join("\n  -> ")).join("\n"));
  return `none among ${graph.size} files`;
}
