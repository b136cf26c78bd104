import {
  InstanceNotCompletedError,
  InvalidArgumentError,
  type OrchestrationMetadata,
  orchestrationMetadataIsComplete,
  type RuntimeStatus,
  statusFromName,
} from "../../src/core/index.ts";
import { readTexts } from "../body.ts";
import { approval } from "../publish/publish.ts";
import type { Call, Handler, Route } from "../router.ts";
import { historyEventJson } from "./history-json.ts";
import { instanceJson } from "./instance-json.ts";
import { uploadOf } from "./publications.ts";

const DEFAULT_PAGE = 25;
const MAX_PAGE = 100;
const MAX_NAME_LENGTH = 200;

const NO_STORE = { headers: { "cache-control": "no-store" } };

/** A page of instances, newest first. What the unfinished ones wait for is asked of each; the ended are as the index has them. */
async function list({ url, client }: Call): Promise<Response> {
  const statuses = url.searchParams
    .getAll("status")
    .flatMap((text) => text.split(","))
    .filter((text) => text !== "");
  for (const status of statuses) statusFromName(status);
  const continuation = url.searchParams.get("continuation");
  const page = await client.queryInstances({
    pageSize: pageSizeOf(url.searchParams.get("pageSize")),
    ...(statuses.length === 0 ? {} : { runtimeStatus: statuses as RuntimeStatus[] }),
    ...(continuation === null ? {} : { continuationToken: continuation }),
  });
  const current = await Promise.all(page.instances.map((found) => refreshed(client, found)));
  const instances = current.filter((found) => found !== undefined).map(instanceJson);
  return Response.json({ instances, continuation: page.continuationToken ?? null }, NO_STORE);
}

/** What an instance's own object says of it, where the index does not say it all. */
async function refreshed(
  client: Call["client"],
  found: OrchestrationMetadata,
): Promise<OrchestrationMetadata | undefined> {
  if (orchestrationMetadataIsComplete(found) && found.runtimeStatus !== "FAILED") return found;
  try {
    const fetchPayloads = found.runtimeStatus === "FAILED";
    return await client.fetchOrchestrationMetadata(found.instanceId, { fetchPayloads });
  } catch (error) {
    // Deleted a moment ago, or not to be reached now: neither may hide the other instances.
    return (error as { readonly code?: unknown }).code === "instance_not_found" ? undefined : found;
  }
}

function pageSizeOf(text: string | null): number {
  const size = text === null ? DEFAULT_PAGE : Number(text);
  if (!Number.isInteger(size) || size < 1 || size > MAX_PAGE) {
    throw new InvalidArgumentError(`pageSize is '${text}': give a whole number from 1 to ${MAX_PAGE}`);
  }
  return size;
}

const get: Handler = async ({ client, params: [id = ""] }) =>
  Response.json(instanceJson(await client.fetchOrchestrationMetadata(id)), NO_STORE);

const history: Handler = async ({ client, params: [id = ""] }) => {
  const events = await client.getInstanceHistory(id);
  return Response.json({ instanceId: id, events: events.map(historyEventJson) }, NO_STORE);
};

/** Sends the publication its decision. One that comes before the publication waits for it is kept. */
function decide(approved: boolean): Handler {
  return async ({ client, request, params: [id = ""] }) => {
    const { by = "anonymous", reason } = await readTexts(request, ["by", "reason"]);
    if (by.trim() === "" || by.length > MAX_NAME_LENGTH) {
      throw new InvalidArgumentError(`'by' must have 1 to ${MAX_NAME_LENGTH} characters`);
    }
    await client.raiseEvent(id, approval, { approved, by, ...(reason === undefined ? {} : { reason }) });
    return accepted(id);
  };
}

const suspend: Handler = async ({ client, request, params: [id = ""] }) => {
  const { reason } = await readTexts(request, ["reason"]);
  await client.suspendOrchestration(id, reason);
  return accepted(id);
};

const resume: Handler = async ({ client, request, params: [id = ""] }) => {
  const { reason } = await readTexts(request, ["reason"]);
  await client.resumeOrchestration(id, reason);
  return accepted(id);
};

const terminate: Handler = async ({ client, request, params: [id = ""] }) => {
  const { reason } = await readTexts(request, ["reason"]);
  await client.terminateOrchestration(id, reason === undefined ? {} : { output: { reason } });
  return accepted(id);
};

const restart: Handler = async ({ client, request, params: [id = ""] }) => {
  await readTexts(request, []);
  return accepted(await client.restartOrchestration(id));
};

const rewind: Handler = async ({ client, request, params: [id = ""] }) => {
  const { reason } = await readTexts(request, ["reason"]);
  await client.rewindOrchestration(id, reason);
  return accepted(id);
};

/** Deletes an ended instance. Its files go first: should that be all that happens, the call can be made again. */
const remove: Handler = async ({ client, env, params: [id = ""] }) => {
  const metadata = await client.fetchOrchestrationMetadata(id);
  if (!orchestrationMetadataIsComplete(metadata)) throw new InstanceNotCompletedError(id);
  await uploadOf(env, metadata)?.discard();
  return Response.json({ purged: await client.purgeOrchestrationState(id) });
};

function accepted(instanceId: string): Response {
  return Response.json({ instanceId, statusUrl: `/api/instances/${encodeURIComponent(instanceId)}` }, { status: 202 });
}

/** Where instances are listed, looked at, and told what to do. */
export const instanceRoutes: readonly Route[] = [
  ["GET", /^\/api\/instances$/, list],
  ["GET", /^\/api\/instances\/([^/]*)$/, get],
  ["DELETE", /^\/api\/instances\/([^/]*)$/, remove],
  ["GET", /^\/api\/instances\/([^/]*)\/history$/, history],
  ["POST", /^\/api\/instances\/([^/]*)\/approve$/, decide(true)],
  ["POST", /^\/api\/instances\/([^/]*)\/reject$/, decide(false)],
  ["POST", /^\/api\/instances\/([^/]*)\/suspend$/, suspend],
  ["POST", /^\/api\/instances\/([^/]*)\/resume$/, resume],
  ["POST", /^\/api\/instances\/([^/]*)\/terminate$/, terminate],
  ["POST", /^\/api\/instances\/([^/]*)\/restart$/, restart],
  ["POST", /^\/api\/instances\/([^/]*)\/rewind$/, rewind],
];
