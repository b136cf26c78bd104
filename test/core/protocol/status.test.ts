import { describe, expect, it } from "vitest";
import {
  OrchestrationStatus,
  OrchestrationStatusSchema,
} from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { isTerminal, statusFromName, statusName } from "../../../src/core/protocol/status.ts";

const all = OrchestrationStatusSchema.values.map(
  (value) => [value.localName, value.number as OrchestrationStatus] as const,
);

describe("runtime status", () => {
  it.each(all)("%s has its own name, both ways", (name, status) => {
    expect(statusName(status)).toBe(name);
    expect(statusFromName(name)).toBe(status);
  });

  it.each(["", "running", "CANCELLED", "ORCHESTRATION_STATUS_RUNNING", "toString"])(
    "refuses the text '%s' instead of taking it for RUNNING",
    (name) => {
      expect(() => statusFromName(name)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
    },
  );

  it("refuses a number that no status has", () => {
    expect(() => statusName(99 as OrchestrationStatus)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  });

  it("is terminal when completed, failed, terminated or canceled, and only then", () => {
    expect(all.filter(([, status]) => isTerminal(status)).map(([name]) => name)).toEqual([
      "COMPLETED",
      "FAILED",
      "CANCELED",
      "TERMINATED",
    ]);
    expect(isTerminal(OrchestrationStatus.CONTINUED_AS_NEW)).toBe(false);
  });
});
