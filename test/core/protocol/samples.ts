/** One example or more of every event and action kind, with every field set at least once. */
import { create } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import * as actions from "../../../src/core/protocol/actions.ts";
import * as events from "../../../src/core/protocol/events.ts";
import {
  Dialect,
  type HistoryEvent,
  HistoryPropagationScope,
  OrchestrationStatus,
  type OrchestratorAction,
  Runner,
  StalledReason,
} from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";

/** The time of all samples. */
export const NOW = 1_700_000_000_123;
const LATER = NOW + 60_000;

const trace = { traceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", traceState: "a=b" };
const router = { sourceAppID: "here", targetAppID: "there", targetAppNamespace: "space" };
const tags = { colour: "green", "": "empty name", ünïcode: "✓" };
const bytes = new Uint8Array([0, 1, 254, 255]);
const attestation = { payload: bytes, signature: bytes };
const failure = {
  errorType: "TypeError",
  errorMessage: "no such thing",
  stackTrace: "at a\nat b",
  isNonRetriable: true,
  innerFailure: { errorType: "Error", errorMessage: "" },
  properties: {
    code: create(ValueSchema, { kind: { case: "numberValue", value: 7 } }),
    note: create(ValueSchema, { kind: { case: "stringValue", value: "n" } }),
  },
};
const parent = {
  taskScheduledId: 3,
  name: "Parent",
  version: "1",
  orchestrationInstance: { instanceId: "p", executionId: "e" },
  appID: "app",
  appNamespace: "ns",
  generation: 2,
};
const version = { patches: ["p1", "p2"], name: "v2" };

/** Every event kind. */
export function sampleEvents(): HistoryEvent[] {
  return [
    events.executionStarted(
      {
        name: "Order",
        version: "2",
        input: '{"a":1}',
        instanceId: "i",
        executionId: "x",
        parent,
        scheduledStart: LATER,
        tags,
        parentTraceContext: trace,
        orchestrationSpanID: "b7ad6b7169203331",
        generation: 4,
        router,
      },
      NOW,
    ),
    events.executionStarted({ name: "Bare", instanceId: "i" }, NOW),
    events.executionCompleted(7, { status: OrchestrationStatus.FAILED, result: "null", failureDetails: failure }, NOW),
    events.executionTerminated({ input: '"stop"', recurse: true }, NOW),
    events.taskScheduled(
      0,
      {
        name: "Charge",
        version: "1",
        input: "",
        parentTraceContext: trace,
        taskExecutionId: "t",
        rerunParentInstanceInfo: { instanceId: "old" },
        historyPropagationScope: HistoryPropagationScope.LINEAGE,
        tags,
        timeoutMs: 1500.5,
        attempt: 1,
        router,
      },
      NOW,
    ),
    events.taskCompleted(0, { result: "1", taskExecutionId: "t", attestation, signerCertificate: bytes, router }, NOW),
    events.taskFailed(0, { failureDetails: failure, taskExecutionId: "t", attestation, signerCertificate: bytes }, NOW),
    events.subOrchestrationCreated(
      1,
      {
        instanceId: "c",
        name: "Child",
        version: "1",
        input: "[]",
        parentTraceContext: trace,
        rerunParentInstanceInfo: { instanceId: "old" },
        historyPropagationScope: HistoryPropagationScope.OWN_HISTORY,
        retryParentInstanceInfo: { instanceId: "first" },
        tags,
        router,
      },
      NOW,
    ),
    events.subOrchestrationCompleted(1, { result: "2", attestation, signerCertificate: bytes }, NOW),
    events.subOrchestrationFailed(1, { failureDetails: failure, attestation, signerCertificate: bytes }, NOW),
    events.timerCreated(2, { fireAt: LATER, name: "tick", origin: { case: "createTimer", value: {} } }, NOW),
    events.timerCreated(
      3,
      {
        fireAt: LATER,
        origin: { case: "externalEvent", value: { name: "go" } },
        rerunParentInstanceInfo: { instanceId: "old" },
      },
      NOW,
    ),
    events.timerCreated(
      4,
      { fireAt: LATER, origin: { case: "activityRetry", value: { taskExecutionId: "t" } }, attempt: 2, router },
      NOW,
    ),
    events.timerCreated(
      5,
      { fireAt: LATER, origin: { case: "childWorkflowRetry", value: { instanceId: "c" } }, attempt: 3 },
      NOW,
    ),
    events.timerFired({ timerId: 2, fireAt: LATER }, LATER),
    events.orchestratorStarted(NOW, {
      version,
      engine: { formatVersion: 1, flags: [1, 200], runner: Runner.REMOTE, dialect: Dialect.MICROSOFT },
    }),
    events.orchestratorStarted(NOW),
    events.orchestratorCompleted(NOW),
    events.eventSent(6, { instanceId: "other", name: "hi", input: "1", router }, NOW),
    events.eventRaised({ name: "hi", input: "1", senderInstanceId: "i" }, NOW),
    events.genericEvent({ data: "d" }, NOW),
    events.historyState(
      {
        instanceId: "i",
        name: "Order",
        version: "2",
        orchestrationStatus: OrchestrationStatus.STALLED,
        createdTimestamp: { seconds: 1n, nanos: 999_999_999 },
        input: "1",
        output: "2",
        customStatus: "3",
        failureDetails: failure,
        tags,
        parentAppId: "app",
        startedAt: { seconds: 2n },
      },
      NOW,
    ),
    events.continueAsNewEvent({ input: "1" }, NOW),
    events.executionSuspended({ input: "why" }, NOW),
    events.executionResumed({}, NOW),
    events.executionStalled({ reason: StalledReason.PAYLOAD_SIZE_EXCEEDED, description: "too big" }, NOW),
    events.executionRewound(
      {
        reason: "again",
        parentExecutionId: "pe",
        instanceId: "i",
        parentTraceContext: trace,
        name: "Order",
        version: "2",
        input: "1",
        parentInstance: parent,
        tags,
      },
      NOW,
    ),
    events.detachedCreated(8, { instanceId: "d", router }, NOW),
    events.entityOperationSignaled(
      9,
      { requestId: "r", operation: "add", scheduledTime: LATER, input: "1", targetInstanceId: "@c@k" },
      NOW,
    ),
    events.entityOperationCalled(
      10,
      {
        requestId: "r",
        operation: "get",
        scheduledTime: LATER,
        input: "1",
        parentInstanceId: "i",
        parentExecutionId: "x",
        targetInstanceId: "@c@k",
      },
      NOW,
    ),
    events.entityLockRequested(
      11,
      { criticalSectionId: "s", lockSet: ["@a@1", "@b@2"], position: 1, parentInstanceId: "i" },
      NOW,
    ),
    events.entityUnlockSent(12, { criticalSectionId: "s", parentInstanceId: "i", targetInstanceId: "@a@1" }, NOW),
    events.entityOperationCompleted({ requestId: "r", output: "2" }, NOW),
    events.entityOperationFailed({ requestId: "r", failureDetails: failure }, NOW),
    events.entityLockGranted({ criticalSectionId: "s" }, NOW),
  ];
}

/** Every action kind. */
export function sampleActions(): OrchestratorAction[] {
  return [
    actions.scheduleTaskAction(0, {
      name: "Charge",
      version: "1",
      input: "1",
      taskExecutionId: "t",
      historyPropagationScope: HistoryPropagationScope.NONE,
      tags,
      parentTraceContext: trace,
      timeoutMs: 10,
      attempt: 2,
      router,
    }),
    actions.createSubOrchestrationAction(1, {
      instanceId: "c",
      name: "Child",
      version: "1",
      input: "1",
      historyPropagationScope: HistoryPropagationScope.LINEAGE,
      retryParentInstanceInfo: { instanceId: "first" },
      tags,
      parentTraceContext: trace,
      router,
    }),
    actions.createTimerAction(2, { fireAt: LATER, name: "tick", origin: { case: "createTimer", value: {} } }),
    actions.createTimerAction(3, { fireAt: LATER, origin: { case: "externalEvent", value: { name: "go" } } }),
    actions.createTimerAction(4, {
      fireAt: LATER,
      origin: { case: "activityRetry", value: { taskExecutionId: "t" } },
      attempt: 2,
    }),
    actions.createTimerAction(5, {
      fireAt: LATER,
      origin: { case: "childWorkflowRetry", value: { instanceId: "c" } },
      attempt: 2,
    }),
    actions.sendEventAction(6, { instanceId: "other", executionId: "x", name: "hi", data: "1", router }),
    actions.completeOrchestrationAction(7, {
      status: OrchestrationStatus.CONTINUED_AS_NEW,
      result: "1",
      details: "d",
      newVersion: "3",
      carryoverEvents: [events.eventRaised({ name: "hi" }, NOW)],
      failureDetails: failure,
      tags,
    }),
    actions.terminateOrchestrationAction(8, { instanceId: "other", reason: "1", recurse: true }),
    actions.sendEntityMessageAction(9, {
      case: "entityOperationSignaled",
      value: { requestId: "r", operation: "add", input: "1" },
    }),
    actions.sendEntityMessageAction(10, {
      case: "entityOperationCalled",
      value: { requestId: "r", operation: "get", parentInstanceId: "i" },
    }),
    actions.sendEntityMessageAction(11, {
      case: "entityLockRequested",
      value: { criticalSectionId: "s", lockSet: ["@a@1"], position: 0 },
    }),
    actions.sendEntityMessageAction(12, { case: "entityUnlockSent", value: { criticalSectionId: "s" } }),
    actions.versionNotAvailableAction(13),
    actions.createDetachedWorkflowAction(14, {
      instanceId: "d",
      name: "Detached",
      version: "1",
      input: "1",
      scheduledStart: LATER,
      executionId: "x",
      tags,
      parentTraceContext: trace,
      router,
    }),
    actions.rewindOrchestrationAction(15, [events.orchestratorStarted(NOW)]),
  ];
}
