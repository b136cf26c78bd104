/** The Worker that is deployed, in workerd and behind its token, with a gateway before it. */
import { deleteFolder, newFolder, startSample } from "../../e2e/support/publications.ts";
import { openBehindGateway } from "./fetch-upstream.ts";
import type { OpenHub } from "./served-hub.ts";

const TOKEN = "the-worker-s-token";

/** What native clients see of a deployed Worker. */
export const serveWorkerThroughGateway: OpenHub = async ({ dialect = "auto" }) => {
  const folder = newFolder();
  const worker = await startSample(folder, { PERDURA_TOKEN: TOKEN });
  return openBehindGateway({ upstream: worker.url, token: TOKEN }, dialect, async () => {
    await worker.stop();
    deleteFolder(folder);
  });
};
