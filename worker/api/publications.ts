import type { FilesObject } from "../files/files-object.ts";
import { HttpError } from "../http-error.ts";
import type { PublishRequest } from "../publish/model.ts";
import { publish } from "../publish/publish.ts";
import type { Call, Route } from "../router.ts";

/** What a file is, by the end of its name. What is not listed is offered for saving. */
const TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  csv: "text/csv; charset=utf-8",
  html: "text/html; charset=utf-8",
  jpg: "image/jpeg",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  md: "text/markdown; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  pdf: "application/pdf",
  png: "image/png",
  proto: "text/plain; charset=utf-8",
  svg: "image/svg+xml",
  toml: "text/plain; charset=utf-8",
  ts: "text/plain; charset=utf-8",
  txt: "text/plain; charset=utf-8",
  webp: "image/webp",
  yaml: "text/plain; charset=utf-8",
  yml: "text/plain; charset=utf-8",
};

/** A publication may change with a restart: caches ask each time, and mostly hear that it has not. */
const COMMON = { "cache-control": "private, no-cache", "x-content-type-options": "nosniff" };

async function serveManifest(call: Call): Promise<Response> {
  const { manifest } = await publicationOf(call);
  return new Response(manifest, { headers: { ...COMMON, "content-type": "application/json" } });
}

async function serveFile(call: Call): Promise<Response> {
  const [, path = ""] = call.params;
  const { upload } = await publicationOf(call);
  const file = await upload.readPacked(path);
  if (file === undefined)
    throw new HttpError(404, "not_found", `the publication has no file '${path}': see its manifest`);
  const type = TYPES[/\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? ""];
  const headers = {
    ...COMMON,
    etag: `"${file.sha256}"`,
    vary: "accept-encoding",
    "content-type": type ?? "application/octet-stream",
    // Whoever uploaded it may not script against this Worker with a visitor's cookie.
    "content-security-policy": "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'",
    ...(type === undefined ? { "content-disposition": "attachment" } : {}),
  };
  const known = (call.request.headers.get("if-none-match") ?? "")
    .split(",")
    .map((tag) => tag.trim().replace(/^W\//, ""));
  if (known.includes(headers.etag)) return new Response(null, { status: 304, headers });
  if (/\bgzip\b/i.test(call.request.headers.get("accept-encoding") ?? "")) {
    return new Response(file.gzip, { headers: { ...headers, "content-encoding": "gzip" }, encodeBody: "manual" });
  }
  return new Response(new Blob([file.gzip]).stream().pipeThrough(new DecompressionStream("gzip")), { headers });
}

interface Publication {
  readonly upload: DurableObjectStub<FilesObject>;
  readonly manifest: string;
}

/** @throws {@link HttpError} 404 until it is published, or the engine's error for an id that nothing has. */
async function publicationOf({ client, env, params }: Call): Promise<Publication> {
  const [instanceId = ""] = params;
  const upload = uploadOf(env, await client.fetchOrchestrationMetadata(instanceId));
  const manifest = await upload?.manifest();
  if (upload === undefined || manifest === undefined) {
    throw new HttpError(
      404,
      "not_published",
      `'${instanceId}' has published nothing: see /api/instances/${instanceId}`,
    );
  }
  return { upload, manifest };
}

/** The object with an instance's files; none where it is no publication. */
export function uploadOf(
  env: Call["env"],
  { name, input }: { readonly name: string; readonly input?: string },
): DurableObjectStub<FilesObject> | undefined {
  if (name !== publish.name || input === undefined) return undefined;
  const { uploadId } = JSON.parse(input) as PublishRequest;
  return env.FILES.get(env.FILES.idFromName(uploadId));
}

/** Where publications are read. */
export const publicationRoutes: readonly Route[] = [
  ["GET", /^\/publications\/([^/]*)\/manifest\.json$/, serveManifest],
  ["GET", /^\/publications\/([^/]*)\/files\/(.+)$/, serveFile],
];
