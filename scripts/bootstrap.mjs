// Makes `npm start` and `npm test` work on a fresh clone: installs what package-lock.json pins when the installed tree
// disagrees with it, then goes on under the pinned Node. Runs on plain old Node (18 and up), so: no dependencies, no
// TypeScript, no new syntax.
//
//   node scripts/bootstrap.mjs <command> [arguments]
//
// A command is a script of this folder (`test` is scripts/test.ts) or else a program of node_modules/.bin.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const programs = join(modules, ".bin");
const pinnedNode = join(modules, "node", "bin", process.platform === "win32" ? "node.exe" : "node");

/**
 * Why the installed tree is not the one that the lock file describes, or undefined when it is. npm writes
 * node_modules/.package-lock.json last, so a tree whose install was interrupted has none.
 */
function disagreement() {
  const wanted = readPackages(join(root, "package-lock.json"));
  const installed = readPackages(join(modules, ".package-lock.json"));
  if (wanted === undefined) throw new Error("package-lock.json is missing or broken: restore it from git.");
  if (installed === undefined) return "nothing is installed yet";
  if (!existsSync(pinnedNode)) return "the pinned Node is missing";
  for (const [path, entry] of Object.entries(wanted)) {
    const found = installed[path];
    if (path === "" || (found === undefined && entry.optional)) continue;
    if (found?.version !== entry.version || found?.integrity !== entry.integrity) return `${path} differs`;
  }
  const extra = Object.keys(installed).find((path) => wanted[path] === undefined);
  return extra && `${extra} is not in the lock file`;
}

/** @param {string} file @returns {Record<string, { version?: string, integrity?: string, optional?: boolean }> | undefined} */
function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}

/** Runs `npm ci` with the Node that runs npm itself, since the pinned one is being replaced. @param {string} reason */
function install(reason) {
  console.error(`Installing the pinned packages (${reason}): this takes about half a minute.`);
  const npm = process.env.npm_execpath;
  const node = process.env.npm_node_execpath ?? process.execPath;
  const [program, first] = npm?.endsWith(".js") && !node.startsWith(modules) ? [node, [npm]] : ["npm", []];
  const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => resolve(folder) !== programs);
  const { status, stdout, stderr, error } = spawnSync(program, [...first, "ci", "--loglevel=error"], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, PATH: path.join(delimiter) },
    shell: process.platform === "win32" && program === "npm",
  });
  if (status === 0) return;
  process.stderr.write(`${stdout ?? ""}${stderr ?? ""}`);
  console.error(`npm ci failed${error ? ` (${error.message})` : ""}: mend what it says above and try again.`);
  process.exit(1);
}

/** Nothing here needs an account, sends telemetry, looks for updates, or writes outside this folder. */
const quiet = {
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  DO_NOT_TRACK: "1",
  WRANGLER_HIDE_BANNER: "true",
  WRANGLER_LOG_PATH: join(root, ".wrangler", "logs"),
  WRANGLER_REGISTRY_PATH: join(root, ".wrangler", "registry"),
  WRANGLER_SEND_ERROR_REPORTS: "false",
  WRANGLER_SEND_METRICS: "false",
  XDG_CONFIG_HOME: join(root, ".wrangler", "config"),
};

/** @param {string} command @param {string[]} args */
function run(command, args) {
  const script = join(root, "scripts", `${command}.ts`);
  // A parent that is killed outright cannot forward anything: its children notice by themselves.
  const guard = ["--import", pathToFileURL(join(root, "scripts", "die-with-parent.mjs")).href];
  const [program, all] = existsSync(script) ? [pinnedNode, [...guard, script, ...args]] : [command, args];
  const child = spawn(program, all, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...quiet, PATH: `${programs}${delimiter}${process.env.PATH ?? ""}` },
    shell: process.platform === "win32" && program === command,
  });
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
    // A terminal sends Ctrl-C to the child as well; once is enough.
    process.on(signal, () => (signal === "SIGINT" && process.stdin.isTTY ? undefined : child.kill(signal)));
  }
  child.on("error", (error) => {
    console.error(`Cannot run ${command}: ${error.message}`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : (code ?? 1)));
}

const [command, ...args] = process.argv.slice(2);
if (command === undefined) {
  console.error("Usage: node scripts/bootstrap.mjs <command> [arguments]");
  process.exit(2);
}
// npm passes a signal on to its shell only, which dies without a word; run by hand, the parent may leave as it likes.
if (process.env.npm_lifecycle_event !== undefined) await import("./die-with-parent.mjs");
const reason = disagreement();
if (reason !== undefined) install(reason);
run(command, args);
