import { describe, expect, it } from "vitest";
import { memoryPorts } from "../../../src/backends/memory/index.ts";
import { silentLogger } from "../../../src/core/hub/logger.ts";
import { Partition } from "../../../src/core/partition/partition.ts";
import type { Ownership, Tenure } from "../../../src/core/partition/ports.ts";
import { gate } from "../hub/fakes.ts";

/** Ownership that a test grants, and that says who holds it. */
class GrantedOwnership implements Ownership {
  readonly log: string[] = [];
  readonly #waiting: (() => void)[] = [];
  #epochs = 0;
  current: AbortController = new AbortController();

  async acquire(): Promise<Tenure> {
    const { opened, open } = gate();
    this.#waiting.push(open);
    await opened;
    const epoch = ++this.#epochs;
    this.current = new AbortController();
    this.log.push(`granted ${epoch}`);
    return { epoch, lost: this.current.signal, release: async () => void this.log.push(`released ${epoch}`) };
  }

  /** Grants the oldest request. */
  async grant(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve));
    this.#waiting.shift()?.();
    await new Promise((resolve) => setTimeout(resolve));
  }
}

async function newPartition(): Promise<{ readonly partition: Partition; readonly ownership: GrantedOwnership }> {
  const ownership = new GrantedOwnership();
  const options = { logger: silentLogger(), maxPayloadBytes: 1024, maxLiveInstances: 10, maxDeaths: 5 };
  const partition = new Partition({ ...memoryPorts(), ownership }, options);
  await partition.createTaskHub();
  return { partition, ownership };
}

/** How a call ended: `done`, or the code of its error. */
const endOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "done",
    (error: { readonly code: string }) => error.code,
  );

describe("a backend that is stopped while it waits for ownership", () => {
  it("does not start: it gives back what it is granted later, and says that it was stopped", async () => {
    const { partition, ownership } = await newPartition();
    const started = endOf(partition.start());
    await ownership.grant();
    expect(await started).toBe("done");
    await partition.stop();
    const again = endOf(partition.start());
    await new Promise((resolve) => setTimeout(resolve));
    await partition.stop();
    await ownership.grant();
    expect(await again).toBe("aborted");
    expect(ownership.log).toEqual(["granted 1", "released 1", "granted 2", "released 2"]);
  });

  it("can be started again at once, and only the second start runs it", async () => {
    const { partition, ownership } = await newPartition();
    const first = endOf(partition.start());
    await partition.stop();
    const second = endOf(partition.start());
    await new Promise((resolve) => setTimeout(resolve));
    await ownership.grant();
    await ownership.grant();
    expect([await first, await second]).toEqual(["aborted", "done"]);
    expect(ownership.log).toEqual(["granted 1", "released 1", "granted 2"]);
    expect(await endOf(partition.start())).toBe("backend_already_started");
    await partition.stop();
    expect(ownership.log.at(-1)).toBe("released 2");
  });

  it("does not take ownership again that it had lost before", async () => {
    const { partition, ownership } = await newPartition();
    const started = partition.start();
    await ownership.grant();
    await started;
    ownership.current.abort();
    await partition.stop();
    await ownership.grant();
    expect(ownership.log).toEqual(["granted 1", "granted 2", "released 2"]);
  });

  it("a second start beside one that still waits is refused", async () => {
    const { partition, ownership } = await newPartition();
    const first = endOf(partition.start());
    expect(await endOf(partition.start())).toBe("backend_already_started");
    await ownership.grant();
    await new Promise((resolve) => setTimeout(resolve));
    await ownership.grant();
    expect(await first).toBe("done");
    await partition.stop();
  });
});
