/** The Worker that is deployed, in workerd and behind its token, with a gateway before it. */
import { deleteFolder, newFolder, startSample } from "../../e2e/support/publications.ts";
import { openTestGateway } from "./fetch-upstream.ts";
import type { OpenHub } from "./served-hub.ts";

const TOKEN = "the-worker-s-token";

/** What native clients see of a deployed Worker. */
export const serveWorkerThroughGateway: OpenHub = async ({ dialect = "auto" }) => {
  const folder = newFolder();
  const worker = await startSample(folder, { PERDURA_TOKEN: TOKEN });
  const gateway = await openTestGateway({
    upstream: worker.url,
    token: TOKEN,
    ...(dialect === "auto" ? {} : { dialect }),
  });
  return {
    host: gateway.host,
    port: gateway.port,
    address: `${gateway.host}:${gateway.port}`,
    async close() {
      await gateway.close();
      await worker.stop();
      deleteFolder(folder);
    },
  };
};
