/**
 * The browsers that tests and benchmarks drive: Debian's own builds, as Playwright's downloads are not to be had everywhere.
 */
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** The engines that tests run in. */
export type BrowserName = "chromium" | "firefox";

const PROGRAMS: Readonly<Record<BrowserName, readonly string[]>> = {
  chromium: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
  firefox: ["firefox-esr"],
};

const DEBIAN_PACKAGES: Readonly<Record<BrowserName, string>> = { chromium: "chromium", firefox: "firefox-esr" };

/** How long one call of apt-get may take, in ms. */
const APT_TIMEOUT_MS = 5 * 60_000;

/** What Chromium is started with: nothing that a test does not need, and no sandbox, which root may not have. */
export const CHROMIUM_ARGS: readonly string[] = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Where a browser is. `undefined`: it is not installed. */
export function browserPath(name: BrowserName): string | undefined {
  return programPath(...PROGRAMS[name]);
}

/** Where the first of these programs is that PATH has. */
export function programPath(...programs: readonly string[]): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  for (const program of programs) {
    for (const folder of folders) {
      const path = join(folder, program);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not in this folder.
      }
    }
  }
  return undefined;
}

/** The browsers that are here. `PERDURA_BROWSERS`, a list of names, leaves out the others; `none` leaves out all. */
export function browsers(): { readonly name: BrowserName; readonly path: string }[] {
  const wanted = process.env.PERDURA_BROWSERS?.split(",");
  return (["chromium", "firefox"] as const).flatMap((name) => {
    const path = browserPath(name);
    return path === undefined || wanted?.includes(name) === false ? [] : [{ name, path }];
  });
}

/**
 * Installs what is missing where that is possible without asking anybody: on Debian and Ubuntu, as root. Returns what
 * could not be had, in words.
 */
export async function installBrowsers(): Promise<string[]> {
  if (process.env.PERDURA_BROWSERS === "none") return ["browser tests: PERDURA_BROWSERS=none"];
  const wanted = process.env.PERDURA_BROWSERS?.split(",");
  const missing = (["chromium", "firefox"] as const).filter(
    (name) => wanted?.includes(name) !== false && browserPath(name) === undefined,
  );
  if (missing.length === 0) return [];
  const why = await aptInstall(missing.map((name) => DEBIAN_PACKAGES[name]));
  return missing
    .filter((name) => browserPath(name) === undefined)
    .map(
      (name) =>
        `tests in ${name} (package ${DEBIAN_PACKAGES[name]}): not installed, and ${why ?? "apt-get did not bring it"}`,
    );
}

/** Installs packages as root of a Debian or Ubuntu. Returns why it could not. */
export async function aptInstall(packages: readonly string[]): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return "only root can install it with apt-get";
  console.error(`Installing ${packages.join(" and ")} with apt-get: this takes a minute or two.`);
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", ...packages]]) {
    const why = await aptGet(args);
    if (why !== undefined) return why;
  }
  return undefined;
}

/** Runs apt-get without a question. Returns why it failed. */
function aptGet(args: readonly string[]): Promise<string | undefined> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const child = spawn("apt-get", ["-qq", ...args], { env, stdio: "ignore", timeout: APT_TIMEOUT_MS });
  return new Promise((resolve) => {
    child.once("error", () => resolve("there is no apt-get here"));
    child.once("exit", (status) => resolve(status === 0 ? undefined : `apt-get ${args[0]} failed`));
  });
}
