/** Builds the browser example, laid out as the local Worker serves it. */
import { fileURLToPath } from "node:url";
import { build } from "vite";

const folder = (path: string): string => fileURLToPath(new URL(`../../examples/browser/${path}`, import.meta.url));

/** Where the local Worker serves the example. */
export const EXAMPLE_PATH = "/examples/browser/";

/** The folder of the Worker's static files. It has nothing but the example, so that every other path stays the Worker's. */
export const ASSETS: string = folder("dist");

/** Builds it once; `watch` builds it again whenever its files change, until the process ends. */
export async function buildExample(watch = false): Promise<void> {
  await build({
    configFile: folder("vite.config.ts"),
    logLevel: "warn",
    ...(watch ? { build: { watch: {} } } : {}),
  });
}
