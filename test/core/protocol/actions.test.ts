import { create, equals, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import {
  activityRequest,
  activityResponse,
  orchestratorRequest,
  orchestratorResponse,
  scheduleTaskAction,
} from "../../../src/core/protocol/actions.ts";
import { orchestratorStarted } from "../../../src/core/protocol/events.ts";
import {
  ActivityRequestSchema,
  ActivityResponseSchema,
  OrchestratorActionSchema,
  OrchestratorRequestSchema,
  OrchestratorResponseSchema,
} from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { NOW, sampleActions, sampleEvents } from "./samples.ts";

describe("orchestrator action constructors", () => {
  it("exist for every kind of the model", () => {
    const kinds = OrchestratorActionSchema.oneofs
      .find((o) => o.localName === "orchestratorActionType")
      ?.fields.map((f) => f.localName);
    const made = new Set(sampleActions().map((a) => a.orchestratorActionType.case as string));
    expect(kinds?.filter((kind) => !made.has(kind))).toEqual([]);
  });

  it.each(sampleActions().map((action) => [action.orchestratorActionType.case, action] as const))(
    "make a %s that survives its bytes unchanged",
    (_, action) => {
      const again = fromBinary(OrchestratorActionSchema, toBinary(OrchestratorActionSchema, action));
      expect(equals(OrchestratorActionSchema, again, action)).toBe(true);
    },
  );

  it("put the router beside the action, where it counts", () => {
    const action = scheduleTaskAction(0, { name: "A", router: { sourceAppID: "s" } });
    expect(action.router?.sourceAppID).toBe("s");
    expect(action.orchestratorActionType.case === "scheduleTask" && action.orchestratorActionType.value.router).toBe(
      undefined,
    );
  });
});

describe("work item constructors", () => {
  it("make an orchestrator request that survives its bytes unchanged", () => {
    const request = orchestratorRequest({
      instanceId: "i",
      executionId: "x",
      pastEvents: sampleEvents(),
      newEvents: [orchestratorStarted(NOW)],
      entityParameters: { entityMessageReorderWindow: { seconds: 30n } },
      requiresHistoryStreaming: true,
      router: { sourceAppID: "s" },
      propagatedHistory: { chunks: [{ rawEvents: [new Uint8Array([1])], appId: "a", instanceId: "i" }] },
      cachedHistory: { eventCount: 3 },
      properties: { p: create(ValueSchema, { kind: { case: "boolValue", value: true } }) },
      orchestrationTraceContext: { spanID: "s", spanStartTime: { seconds: 1n } },
    });
    const again = fromBinary(OrchestratorRequestSchema, toBinary(OrchestratorRequestSchema, request));
    expect(equals(OrchestratorRequestSchema, again, request)).toBe(true);
    expect(again.pastEvents).toHaveLength(sampleEvents().length);
  });

  it("make an orchestrator response that survives its bytes unchanged", () => {
    const response = orchestratorResponse({
      instanceId: "i",
      actions: sampleActions(),
      customStatus: "c",
      completionToken: "t",
      numEventsProcessed: 0,
      version: { patches: ["p"] },
      orchestrationTraceContext: { spanID: "s" },
      requiresHistory: true,
      isPartial: true,
      chunkIndex: 0,
    });
    const again = fromBinary(OrchestratorResponseSchema, toBinary(OrchestratorResponseSchema, response));
    expect(equals(OrchestratorResponseSchema, again, response)).toBe(true);
    expect([again.numEventsProcessed, again.chunkIndex]).toEqual([0, 0]);
  });

  it("make an activity request and an activity response that survive their bytes unchanged", () => {
    const request = activityRequest({
      name: "A",
      version: "1",
      input: "1",
      instanceId: "i",
      executionId: "x",
      taskId: 3,
      parentTraceContext: { traceParent: "t" },
      taskExecutionId: "e",
      propagatedHistory: {},
      tags: { a: "b" },
    });
    const again = fromBinary(ActivityRequestSchema, toBinary(ActivityRequestSchema, request));
    expect(equals(ActivityRequestSchema, again, request)).toBe(true);
    const response = activityResponse({
      instanceId: "i",
      taskId: 3,
      failureDetails: { errorType: "E", errorMessage: "m" },
      completionToken: "t",
    });
    const back = fromBinary(ActivityResponseSchema, toBinary(ActivityResponseSchema, response));
    expect(equals(ActivityResponseSchema, back, response)).toBe(true);
    expect(back.result).toBeUndefined();
  });
});
