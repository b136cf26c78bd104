/** Builds the browser example, laid out as the local Worker serves it. */
import { fileURLToPath } from "node:url";
import { build, type InlineConfig } from "vite";

const folder = (path: string): string => fileURLToPath(new URL(`../../examples/browser/${path}`, import.meta.url));

const OPTIONS: InlineConfig = { configFile: folder("vite.config.ts"), logLevel: "warn" };

/** Where the local Worker serves the example. */
export const EXAMPLE_PATH = "/examples/browser/";

/** The folder of the Worker's static files. It has nothing but the example, so that every other path stays the Worker's. */
export const ASSETS: string = folder("dist");

/** Builds it once. @throws what is wrong with it. */
export async function buildExample(): Promise<void> {
  await build(OPTIONS);
}

/** Builds it again whenever its files change, until the process ends. Resolves after the first time. */
export async function watchExample(): Promise<void> {
  const watcher = await build({ ...OPTIONS, build: { watch: {} } });
  if (!("on" in watcher)) return;
  await new Promise<void>((resolve) => {
    watcher.on("event", ({ code }) => {
      if (code === "END" || code === "ERROR") resolve();
    });
  });
}
