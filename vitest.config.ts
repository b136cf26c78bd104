/**
 * Several runs in one: `node` (unit and contract tests), `workerd` (inside the runtime itself, storage isolated per file),
 * `e2e` (Node drives Miniflare, kills and restarts it), `protocol` (SDKs that are not ours against `perdura serve`), `browser` (inside every browser that is installed), `driven`
 * (Node drives those browsers, many tabs and kills included) and `webkit` (the contract suite in WebKitGTK, where it is installed).
 */
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig, type TestProjectConfiguration } from "vitest/config";
import { browsers, CHROMIUM_ARGS } from "./scripts/browsers.ts";
import { packageSources } from "./scripts/package-sources.ts";
import { webkit } from "./scripts/webkit.ts";

/** The projects that need a browser; none where there is none. */
function browserProjects(): TestProjectConfiguration[] {
  const instances = browsers().map(({ name, path }) => {
    const own = name === "chromium" ? { args: [...CHROMIUM_ARGS] } : { channel: "moz-firefox" };
    return { browser: name, provider: playwright({ launchOptions: { executablePath: path, ...own } }) };
  });
  if (instances.length === 0) return [];
  return [
    {
      optimizeDeps: {
        // All that the tests import, found out beforehand: what is found in the middle of a run makes it begin anew.
        include: [
          "idb",
          "@bufbuild/protobuf",
          "@bufbuild/protobuf/codegenv2",
          "@bufbuild/protobuf/wire",
          "@bufbuild/protobuf/wkt",
          "@connectrpc/connect",
          "@connectrpc/connect/protocol",
        ],
      },
      test: {
        name: "browser",
        include: ["test/browser/inside/**/*.test.ts"],
        testTimeout: 60_000,
        fileParallelism: false,
        browser: { enabled: true, headless: true, screenshotFailures: false, instances },
      },
    },
    {
      test: {
        name: "driven",
        include: ["test/browser/driven/**/*.test.ts"],
        // After the others: these tests measure time.
        sequence: { groupOrder: 1 },
        testTimeout: 180_000,
        hookTimeout: 60_000,
        fileParallelism: false,
      },
    },
  ];
}

/** The contract suite in WebKitGTK; nothing where it is not. */
function webkitProjects(): TestProjectConfiguration[] {
  if (webkit() === undefined) return [];
  return [{ test: { name: "webkit", include: ["test/browser/webkit/**/*.test.ts"], testTimeout: 60_000 } }];
}

export default defineConfig({
  test: {
    projects: [
      {
        // What examples import by the package's name is its source.
        resolve: { alias: packageSources() },
        test: {
          name: "node",
          include: ["test/**/*.test.ts"],
          exclude: ["test/browser/**", "test/workerd/**", "test/e2e/**", "test/protocol/**"],
          // SQLite on a disk waits for it at every commit.
          testTimeout: 30_000,
        },
      },
      {
        plugins: [cloudflareTest({ wrangler: { configPath: "./test/workerd/wrangler.toml" } })],
        test: { name: "workerd", include: ["test/workerd/**/*.test.ts"], testTimeout: 30_000 },
      },
      {
        test: { name: "e2e", include: ["test/e2e/**/*.test.ts"], testTimeout: 120_000, hookTimeout: 60_000 },
      },
      {
        test: { name: "protocol", include: ["test/protocol/**/*.test.ts"], testTimeout: 30_000, hookTimeout: 30_000 },
      },
      ...browserProjects(),
      ...webkitProjects(),
    ],
  },
});
