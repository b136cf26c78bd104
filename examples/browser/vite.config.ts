/** Builds the example into its folder dist, laid out as the Worker serves it. */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";
import { packageSources } from "../../scripts/package-sources.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const SERVICE_WORKER = "service-worker.js";

/** Tells the service worker which files the build has made, and what version of the app they are. */
function listBuiltFiles(): Plugin {
  return {
    name: "list-built-files",
    generateBundle: {
      // After Vite has made the page.
      order: "post",
      handler(_options, bundle) {
        const files = Object.keys(bundle).filter((file) => file !== SERVICE_WORKER);
        const script = bundle[SERVICE_WORKER];
        if (script?.type !== "chunk") throw new Error("the build has no service worker");
        const hash = createHash("sha256");
        for (const file of files.sort()) {
          const made = bundle[file];
          hash.update(made?.type === "chunk" ? made.code : (made?.source ?? ""));
        }
        const built = {
          version: hash.digest("hex").slice(0, 16),
          // Servers answer for the page's folder, and may send those who ask for index.html there.
          files: files.map((file) => (file === "index.html" ? "./" : file)),
        };
        script.code = script.code.replace("__BUILT__", JSON.stringify(built).replaceAll('"', '\\"'));
      },
    },
  };
}

export default defineConfig({
  root: here("."),
  // Works below any path.
  base: "./",
  publicDir: false,
  cacheDir: here("../../node_modules/.vite/example-browser"),
  resolve: { alias: packageSources() },
  worker: { format: "es" },
  plugins: [listBuiltFiles()],
  build: {
    outDir: here("dist/examples/browser"),
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: false,
    rolldownOptions: {
      input: { index: here("index.html"), "service-worker": here("service-worker/service-worker.ts") },
      output: {
        entryFileNames: ({ name }) => (name === "service-worker" ? "[name].js" : "assets/[name]-[hash].js"),
      },
    },
  },
});
