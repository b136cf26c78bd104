/**
 * `npm run demo -- <folders and files>`: publishes them through a running Worker, approves of it, and checks every hash of
 * the manifest against the file on disk. Uses the server on PORT (default 8787), or starts one for the time being. A server
 * that wants a token gets PERDURA_TOKEN.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type LocalFile, localFiles } from "./demo/local-files.ts";
import { serverAt } from "./demo/server.ts";

/** What of an instance is read here. */
interface Instance {
  readonly instanceId: string;
  readonly runtimeStatus: string;
  readonly waiting: string;
  readonly customStatus?: { readonly phase: string; readonly done: number; readonly total: number };
  readonly output?: Manifest;
}

interface Manifest {
  readonly status: string;
  readonly approvedBy: string;
  readonly totals: { readonly files: number; readonly bytes: number; readonly gzipBytes: number };
  readonly files: readonly { path: string; bytes: number; gzipBytes: number; sha256: string }[];
}

const POLL_MS = 100;
const GIVE_UP_AFTER_MS = 120_000;
const ENDED = ["COMPLETED", "FAILED", "TERMINATED", "CANCELED"];

const started = Date.now();
function say(line: string): void {
  console.log(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${line}`);
}

async function call<T>(url: string, init: RequestInit = {}): Promise<T> {
  const token = process.env.PERDURA_TOKEN;
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(url, { ...init, headers });
  const body = (await response.json()) as T & { readonly error?: { readonly code: string; readonly message: string } };
  if (!response.ok) throw new Error(`${init.method ?? "GET"} ${url}: ${body.error?.message ?? response.status}`);
  return body;
}

/** Looks at the instance until the condition holds, and says what it waits for whenever that is news. */
async function follow(statusUrl: string, until: (instance: Instance) => boolean): Promise<Instance> {
  let said = "";
  for (const giveUpAt = Date.now() + GIVE_UP_AFTER_MS; Date.now() < giveUpAt; await sleep(POLL_MS)) {
    const instance = await call<Instance>(statusUrl);
    const { customStatus, runtimeStatus, waiting } = instance;
    const step = customStatus?.phase ?? runtimeStatus.toLowerCase();
    const line = `${step}${customStatus?.done ? ` (${customStatus.done} of ${customStatus.total} files)` : ""}: ${waiting}`;
    if (line !== said) say(line);
    said = line;
    if (until(instance)) return instance;
  }
  throw new Error(`nothing came of it within ${GIVE_UP_AFTER_MS / 1000} seconds`);
}

async function publish(url: string, files: readonly LocalFile[]): Promise<Manifest> {
  const form = new FormData();
  for (const { path, absolute } of files) form.append("files", new Blob([readFileSync(absolute)]), path);
  const { instanceId, statusUrl } = await call<{ instanceId: string; statusUrl: string }>(`${url}/publish`, {
    method: "POST",
    body: form,
  });
  say(`${instanceId} is started, with ${files.length} files`);
  const isEnded = ({ runtimeStatus }: Instance): boolean => ENDED.includes(runtimeStatus);
  const awaitsApproval = ({ customStatus }: Instance): boolean => customStatus?.phase === "awaiting approval";
  await follow(`${url}${statusUrl}`, (instance) => awaitsApproval(instance) || isEnded(instance));
  await call(`${url}${statusUrl}/approve`, { method: "POST", body: JSON.stringify({ by: "the demo" }) });
  say("approved by the demo");
  const { output, waiting } = await follow(`${url}${statusUrl}`, isEnded);
  if (output?.status !== "published") throw new Error(`it was not published: ${waiting}`);
  say(`manifest: ${url}/publications/${encodeURIComponent(instanceId)}/manifest.json`);
  return output;
}

/** Prints the manifest as a table. Returns the paths of what is not as it is on disk. */
function check({ files: published, totals, approvedBy }: Manifest, files: readonly LocalFile[]): string[] {
  const found = new Map(published.map((file) => [file.path, file]));
  const width = Math.min(60, Math.max(...files.map(({ path }) => path.length)));
  const wrong: string[] = [];
  console.log(`\n${"file".padEnd(width)}  ${"bytes".padStart(8)}  ${"gzip".padStart(8)}  sha256`);
  for (const { path, absolute } of files) {
    const file = found.get(path);
    const isRight = file?.sha256 === createHash("sha256").update(readFileSync(absolute)).digest("hex");
    if (!isRight) wrong.push(path);
    const numbers = [file?.bytes, file?.gzipBytes].map((bytes) => String(bytes ?? "-").padStart(8)).join("  ");
    console.log(`${path.padEnd(width)}  ${numbers}  ${file?.sha256 ?? "missing"}${isRight ? "" : "  DIFFERS"}`);
  }
  console.log(`\n${totals.files} files, ${totals.bytes} bytes, ${totals.gzipBytes} as gzip, approved by ${approvedBy}`);
  return wrong.concat(published.length === files.length ? [] : ["(the number of files)"]);
}

async function main(): Promise<number> {
  const files = localFiles(process.argv.slice(2));
  const server = await serverAt(Number(process.env.PORT ?? 8787), say);
  try {
    const wrong = check(await publish(server.url, files), files);
    if (wrong.length > 0) console.error(`DIFFERENT from the files on disk: ${wrong.join(", ")}`);
    else console.log(`all ${files.length} hashes equal sha256sum's`);
    return wrong.length === 0 ? 0 : 1;
  } finally {
    await server.stop();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
