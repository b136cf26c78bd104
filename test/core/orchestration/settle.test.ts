import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { messageChannelSettle } from "../../../src/core/orchestration/settle.ts";
import { done, Instance } from "./turns.ts";

describe("settling", () => {
  it("20,000 chained awaits finish in one settle", async () => {
    const settle = messageChannelSettle();
    let finished = 0;
    void (async () => {
      for (let n = 0; n < 20_000; n++) await undefined;
      finished++;
    })();
    await settle();
    expect(finished).toBe(1);
  });

  it("many may settle at once, and each sees its own work done", async () => {
    const settle = messageChannelSettle();
    const results = await Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        let moved = false;
        void (async () => {
          for (let step = 0; step < n * 20; step++) await undefined;
          moved = true;
        })();
        await settle();
        return moved;
      }),
    );
    expect(results).toEqual(Array.from({ length: 50 }, () => true));
  });

  it("an orchestrator with 20,000 chained awaits after a step ends in that turn", async () => {
    const run = new Instance(async (ctx) => {
      await ctx.callActivity("a");
      for (let n = 0; n < 20_000; n++) await undefined;
      return "through";
    });
    await run.start();
    await run.turn(done(0));
    expect(run.output).toBe("through");
  });

  it("a process waits for a settle under way, and ends when there is none", () => {
    const file = new URL("../../../src/core/orchestration/settle.ts", import.meta.url).href;
    const code = `import { messageChannelSettle } from ${JSON.stringify(file)};
      const settle = messageChannelSettle(); await settle(); await settle(); console.log("settled");`;
    const out = execFileSync(process.execPath, ["--input-type=module-typescript", "-e", code], {
      timeout: 20_000,
      encoding: "utf8",
    });
    expect(out.trim()).toBe("settled");
  });
});
