import { describe, expect, it } from "vitest";
import { GroupCommit } from "../../../src/core/partition/group-commit.ts";
import type { Commit, CommittedWrite, InstanceWrite, Store } from "../../../src/core/partition/ports.ts";
import { gate } from "../hub/fakes.ts";

const write = (instanceId: string): InstanceWrite => ({ instanceId, incarnation: "i" });
const done: CommittedWrite = { deliveries: [], inboxSeqs: [7] };

/** A store of which only `commit` is used. */
function storing(commit: (batch: Commit) => Promise<readonly CommittedWrite[]>): {
  readonly store: Store;
  readonly batches: string[][];
} {
  const batches: string[][] = [];
  const store = {
    commit: (batch: Commit) => {
      batches.push(batch.writes.map(({ instanceId }) => instanceId));
      return commit(batch);
    },
  } as unknown as Store;
  return { store, batches };
}

describe("a group commit", () => {
  it("puts writes of the same breath into one batch, and answers each with its own", async () => {
    const { store, batches } = storing(async ({ writes }) =>
      writes.map((_, index) => ({ ...done, inboxSeqs: [index] })),
    );
    const commits = new GroupCommit(store, () => 1);
    const answers = await Promise.all(["a", "b", "c"].map((id) => commits.submit(write(id))));
    expect(batches).toEqual([["a", "b", "c"]]);
    expect(answers.map(({ inboxSeqs }) => inboxSeqs)).toEqual([[0], [1], [2]]);
  });

  it("collects what arrives while a batch is on its way", async () => {
    const { opened, open } = gate();
    const { store, batches } = storing(async ({ writes }) => opened.then(() => writes.map(() => done)));
    const commits = new GroupCommit(store, () => 1);
    const first = commits.submit(write("a"));
    await Promise.resolve();
    await Promise.resolve();
    const rest = [commits.submit(write("b")), commits.submit(write("c"))];
    open();
    await Promise.all([first, ...rest]);
    expect(batches).toEqual([["a"], ["b", "c"]]);
  });

  it("tries the members of a failed batch one by one, so that only the guilty one fails", async () => {
    const { store, batches } = storing(async ({ writes }) => {
      if (writes.some(({ instanceId }) => instanceId === "bad")) throw new Error("poisoned");
      return writes.map(() => done);
    });
    const commits = new GroupCommit(store, () => 1);
    const results = await Promise.allSettled(["a", "bad", "c"].map((id) => commits.submit(write(id))));
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(batches).toEqual([["a", "bad", "c"], ["a"], ["bad"], ["c"]]);
  });

  it("carries the epoch of the moment of the commit", async () => {
    const epochs: (number | undefined)[] = [];
    const { store } = storing(async ({ epoch, writes }) => {
      epochs.push(epoch);
      return writes.map(() => done);
    });
    let epoch = 1;
    const commits = new GroupCommit(store, () => epoch);
    await commits.submit(write("a"));
    epoch = 2;
    await commits.submit(write("b"));
    expect(epochs).toEqual([1, 2]);
  });

  it("goes on after a failure", async () => {
    let fails = true;
    const { store } = storing(async ({ writes }) => {
      if (fails) throw new Error("full");
      return writes.map(() => done);
    });
    const commits = new GroupCommit(store, () => 1);
    await expect(commits.submit(write("a"))).rejects.toThrow("full");
    fails = false;
    expect(await commits.submit(write("a"))).toBe(done);
  });
});
