import { InstanceExistsError, InvalidArgumentError, isPerduraError } from "../../src/core/index.ts";
import type { FileContent } from "../files/files-object.ts";
import type { PublishRequest } from "../publish/model.ts";
import { publish } from "../publish/publish.ts";
import type { Call, Route } from "../router.ts";
import { readUpload } from "./upload.ts";

/** About how many bytes go to the upload's object in one message: one takes 32 MiB at most. */
const MESSAGE_BYTES = 8 * 1024 * 1024;

/** Stores the files of a form, then starts their publication. */
async function startPublication({ request, env, client }: Call): Promise<Response> {
  const { files, id, approvalTimeoutMs } = await readUpload(request);
  const instanceId = id ?? `publish-${crypto.randomUUID().replaceAll("-", "").slice(0, 12)}`;
  // URLs take such a segment away, even an encoded one: nobody could look at it again.
  if (id === "." || id === "..")
    throw new InvalidArgumentError(`the id '${id}' cannot be in an address: choose another`);
  // A taken id is refused before anything is stored; that nobody took it meanwhile, the start itself sees to.
  if (id !== undefined && (await isTaken(client, id))) throw new InstanceExistsError(id);
  const uploadId = crypto.randomUUID();
  const upload = env.FILES.get(env.FILES.idFromName(uploadId));
  for (const message of inMessages(files)) await upload.put(message);
  const input: PublishRequest = {
    uploadId,
    files: files.map(({ path, bytes }) => ({ path, bytes: bytes.length })),
    approvalTimeoutMs,
  };
  try {
    await client.scheduleNewOrchestration(publish, input, { instanceId, tags: { sample: "publish" } });
  } catch (error) {
    // Refused for certain. After any other failure the start may have got through; then the hour's limit cleans up.
    if (isPerduraError(error)) await upload.discard();
    throw error;
  }
  const statusUrl = `/api/instances/${encodeURIComponent(instanceId)}`;
  return Response.json({ instanceId, statusUrl }, { status: 202, headers: { location: statusUrl } });
}

async function isTaken(client: Call["client"], instanceId: string): Promise<boolean> {
  try {
    await client.fetchOrchestrationMetadata(instanceId, { fetchPayloads: false });
    return true;
  } catch (error) {
    if (isPerduraError(error) && error.code === "instance_not_found") return false;
    throw error;
  }
}

function inMessages(files: readonly FileContent[]): FileContent[][] {
  const messages: FileContent[][] = [];
  let room = 0;
  for (const file of files) {
    if (messages.length === 0 || file.bytes.length > room) {
      messages.push([]);
      room = MESSAGE_BYTES;
    }
    messages.at(-1)?.push(file);
    room -= file.bytes.length;
  }
  return messages;
}

/** Where publications begin. */
export const publishRoutes: readonly Route[] = [["POST", /^\/publish$/, startPublication]];
