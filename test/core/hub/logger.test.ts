import { afterEach, describe, expect, it, vi } from "vitest";
import { defaultLogger, silentLogger } from "../../../src/core/hub/logger.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

describe("the default logger", () => {
  it("writes lines at and above its level, and drops the others", () => {
    const lines: unknown[][] = [];
    for (const level of ["debug", "info", "warn", "error"] as const) {
      vi.spyOn(console, level).mockImplementation((...values: unknown[]) => void lines.push([level, ...values]));
    }
    const logger = defaultLogger("warn");
    logger.debug("a");
    logger.info("b");
    logger.warn("c", { d: 1 });
    logger.error("e");
    expect(lines).toEqual([
      ["warn", "perdura", "c", { d: 1 }],
      ["error", "perdura", "e"],
    ]);
    silentLogger().error("f");
    expect(lines).toHaveLength(2);
  });
});
