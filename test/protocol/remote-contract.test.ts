/** Our own client and worker at the far end of a transport keep the contract that a hub in the same process keeps. */
import { describe, it } from "vitest";
import { clientContract } from "../../src/testing/index.ts";
import { remoteSetup, TRANSPORTS } from "./support/remote-setup.ts";

describe.each(["grpc", "connect"])("over %s", (name) => {
  const newTransport = TRANSPORTS[name];
  const runner = {
    describe,
    it: (name: string, run: () => Promise<void>) => {
      // It compares two runs action by action, in which two timers of one length may fire in one turn or in two: over a
      // network and in real time that is chance.
      const isChance = name.startsWith("all attempts of a call") && name.includes("evicted");
      it(name, { retry: 1, skip: isChance }, run);
    },
  };
  if (newTransport !== undefined) clientContract(runner, remoteSetup(newTransport));
});
