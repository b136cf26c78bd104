import { createServer, type Server } from "node:http";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** The pages that driven browsers load, served on this machine only. The port is part of the origin: it stays. */
export interface Site {
  /** With a slash at its end. */
  readonly url: string;
  close(): Promise<void>;
}

const APP = fileURLToPath(new URL("../app/", import.meta.url));

/** Entry file to the path that it is served under. */
const ENTRIES: Readonly<Record<string, string>> = {
  "/page.js": "page.ts",
  "/worker.js": "worker.ts",
  "/conformance.js": "conformance.ts",
  "/remote-page.js": "remote-page.ts",
  "/remote-worker.js": "remote-worker.ts",
};

async function bundle(file: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [APP + file],
    bundle: true,
    format: "esm",
    target: "es2022",
    sourcemap: "inline",
    write: false,
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? "";
}

const pageOf = (script: string): string =>
  `<!doctype html><meta charset="utf-8"><title>Perdura</title><script type="module" src="${script}"></script>`;

/** Every other path is the app's page. */
const PAGES: Readonly<Record<string, string>> = {
  "/blank": "<!doctype html><title>blank</title>",
  // Whoever asks for it has the site's storage cleared.
  "/clear": "<!doctype html><title>cleared</title>",
  "/conformance": pageOf("/conformance.js"),
  "/remote": pageOf("/remote-page.js"),
};

/** Serves the driven pages on a free port. */
export async function serveSite(): Promise<Site> {
  const scripts = new Map<string, string>();
  for (const [path, file] of Object.entries(ENTRIES)) scripts.set(path, await bundle(file));
  const server: Server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://127.0.0.1").pathname;
    const script = scripts.get(path);
    response.setHeader("content-type", script === undefined ? "text/html" : "text/javascript");
    // For frames of an opaque origin.
    response.setHeader("access-control-allow-origin", "*");
    if (path === "/clear") response.setHeader("clear-site-data", '"storage"');
    response.end(script ?? PAGES[path] ?? pageOf("/page.js"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
