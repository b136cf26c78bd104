import { env } from "cloudflare:workers";
import type { TaskHubBindings } from "../src/backends/durable-object/index.ts";
import type { FilesObject } from "./files/files-object.ts";
import type { TransferObject } from "./transfers/transfer-object.ts";

/** What wrangler.toml binds, and what a deployment sets. */
export interface Environment extends TaskHubBindings {
  /** One object per upload, with the files' contents. */
  readonly FILES: DurableObjectNamespace<FilesObject>;
  /** One object per file that is sent in chunks. */
  readonly TRANSFERS: DurableObjectNamespace<TransferObject>;
  /** The origins, with commas between, whose pages may call the executor protocol with the token: `https://app.example.com`. */
  readonly PERDURA_ORIGINS?: string;
  /** The path of an example that is served beside the Worker, for its page to link to. */
  readonly PERDURA_EXAMPLE?: string;
  /** `"1"` opens the Worker to everybody: for development on one machine only. */
  readonly PERDURA_OPEN?: string;
  /** The secret that callers must show: `wrangler secret put PERDURA_TOKEN`. */
  readonly PERDURA_TOKEN?: string;
}

/** The object that holds an upload, for code that is handed no environment, such as an activity. */
export function filesOf(uploadId: string): DurableObjectStub<FilesObject> {
  const { FILES } = env as unknown as Environment;
  return FILES.get(FILES.idFromName(uploadId));
}
