import type { ConnectExecutorOptions } from "../../../src/connect/index.ts";
import { type ServedTaskHub, type ServeOptions, serve } from "../../../src/connect/node/index.ts";
import { silentLogger } from "../../../src/core/hub/logger.ts";

/** A hub that is served on a free port of this machine. */
export interface TestHub extends ServedTaskHub {
  /** `127.0.0.1:<port>`, as the SDKs take it. */
  readonly address: string;
}

/** Opens a hub that SDKs can reach. */
export type OpenHub = (options: ConnectExecutorOptions) => Promise<TestHub>;

/** Serves a hub in this process. */
export async function serveHub(options: ServeOptions = {}): Promise<TestHub> {
  const hub = await serve({ port: 0, logger: silentLogger(), ...options });
  return { ...hub, address: `127.0.0.1:${hub.port}` };
}
