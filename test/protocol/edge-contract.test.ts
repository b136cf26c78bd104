/** The contract, with every instance in a Durable Object, and all of its code in a worker at the far end of a stream. */
import { afterAll, beforeAll, describe, it } from "vitest";
import { clientContract } from "../../src/testing/index.ts";
import { deleteStorage, EDGE_TRANSPORTS, type EdgeWorker, edgeSetup, startEdgeWorker } from "./support/edge-worker.ts";

let edge: EdgeWorker;
beforeAll(async () => {
  edge = await startEdgeWorker();
});
afterAll(async () => {
  await edge.stop();
  deleteStorage(edge);
});

describe.each(["grpc-web"])("over %s", (name) => {
  const newTransport = EDGE_TRANSPORTS[name];
  const runner = {
    describe,
    it: (title: string, run: () => Promise<void>) => {
      // See remote-contract.test.ts: in real time it is chance whether two timers of one length share a turn.
      it.concurrent(
        title,
        { retry: 2, skip: title.startsWith("all attempts of a call") && title.includes("evicted") },
        run,
      );
    },
  };
  if (newTransport !== undefined)
    clientContract(
      runner,
      edgeSetup(() => edge, newTransport),
    );
});
