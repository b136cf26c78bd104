import { describe, expect, it } from "vitest";
import { InstanceNotCompletedError, InstanceNotFoundError, StorageError } from "../../../src/core/errors.ts";
import { type Purger, purgeRecursively } from "../../../src/core/hub/purge.ts";

/** A tree of instances; what is not in it is gone, what is `"running"` has not ended. */
class Tree implements Purger {
  readonly purged: string[] = [];
  readonly options: unknown[] = [];
  readonly #nodes: Record<string, readonly string[] | "running" | Error>;

  constructor(nodes: Record<string, readonly string[] | "running" | Error>) {
    this.#nodes = nodes;
  }

  async childrenOf(instanceId: string, options: { readonly force?: boolean }): Promise<readonly string[]> {
    this.options.push(options);
    const node = this.#nodes[instanceId];
    if (node === undefined) throw new InstanceNotFoundError(instanceId);
    if (node instanceof Error) throw node;
    if (node === "running") {
      if (options.force !== true) throw new InstanceNotCompletedError(instanceId);
      return [];
    }
    return node;
  }

  async purgeOne(instanceId: string): Promise<void> {
    if (this.#nodes[instanceId] === undefined) throw new InstanceNotFoundError(instanceId);
    this.purged.push(instanceId);
  }
}

describe("a recursive purge", () => {
  it("takes children before their parents and counts them all", async () => {
    const tree = new Tree({ root: ["a", "b"], a: ["c"], b: [], c: [] });
    expect(await purgeRecursively(tree, "root", {})).toBe(4);
    expect(tree.purged).toEqual(["c", "a", "b", "root"]);
  });

  it("passes over a child that is gone, but not over the root", async () => {
    const tree = new Tree({ root: ["gone", "b"], b: [] });
    expect(await purgeRecursively(tree, "root", {})).toBe(2);
    await expect(purgeRecursively(tree, "nowhere", {})).rejects.toThrow(InstanceNotFoundError);
  });

  it("ends with any other error of a child, and leaves the parent", async () => {
    const tree = new Tree({ root: ["a"], a: new StorageError("broken") });
    await expect(purgeRecursively(tree, "root", {})).rejects.toThrow(StorageError);
    expect(tree.purged).toEqual([]);
  });

  it("stops at what has not ended, unless it is forced", async () => {
    const nodes = { root: ["a"], a: "running" } as const;
    await expect(purgeRecursively(new Tree(nodes), "root", {})).rejects.toThrow(InstanceNotCompletedError);
    const forced = new Tree(nodes);
    expect(await purgeRecursively(forced, "root", { force: true })).toBe(2);
    expect(forced.options).toEqual([{ force: true }, { force: true }]);
  });

  it("that is none looks at no child", async () => {
    const tree = new Tree({ root: ["a"], a: [] });
    expect(await purgeRecursively(tree, "root", { recursive: false })).toBe(1);
    expect([tree.purged, tree.options]).toEqual([["root"], []]);
  });
});
