import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { InstanceCompletedError, InstanceExistsError, InstanceNotFoundError } from "../../../src/core/errors.ts";
import { admitEnvelope, admitEvent, admitStart } from "../../../src/core/partition/admission.ts";
import type { Admission, DeliveryOutcome, InstanceRow } from "../../../src/core/partition/ports.ts";
import { rowOf } from "../../../src/core/partition/record.ts";
import {
  type ExecutionStartedFields,
  eventRaised,
  executionRewound,
  executionStarted,
  executionTerminated,
  subOrchestrationCompleted,
  timerFired,
} from "../../../src/core/protocol/events.ts";
import {
  CreateOrchestrationAction,
  type HistoryEvent,
  OrchestrationIdReusePolicySchema,
  OrchestrationStatus,
} from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import {
  type Envelope,
  EnvelopeSchema,
  type InstanceRecord,
  InstanceRecordSchema,
} from "../../../src/core/protocol/gen/perdura/model/v1/store_pb.ts";
import { unmarshalEnvelope } from "../../../src/core/protocol/marshal.ts";

const T0 = 1_700_000_000_000;
const { COMPLETED, FAILED, RUNNING } = OrchestrationStatus;

function row(fields: MessageInitShape<typeof InstanceRecordSchema> = {}): InstanceRow {
  const record: InstanceRecord = create(InstanceRecordSchema, {
    instanceId: "abc",
    executionId: "e1",
    incarnation: "e1",
    name: "main",
    status: RUNNING,
    createdAtMs: T0,
    ...fields,
  });
  return rowOf(record, { unfinished: false, wakeAt: undefined });
}

const start = (fields: Partial<ExecutionStartedFields> = {}) =>
  executionStarted({ name: "main", instanceId: "abc", executionId: "e2", ...fields }, T0);
const raised = eventRaised({ name: "e" }, T0);

function envelope(event: HistoryEvent, more: MessageInitShape<typeof EnvelopeSchema> = {}): Envelope {
  return create(EnvelopeSchema, {
    sourceInstanceId: "other",
    sourceExecutionId: "oe",
    seq: 5,
    targetInstanceId: "abc",
    event,
    createdAtMs: T0,
    ...more,
  });
}

const deliver = (event: HistoryEvent, target: InstanceRow | undefined, more = {}): Admission<DeliveryOutcome> =>
  admitEnvelope(envelope(event, more), T0)(target);

describe("a client's start", () => {
  it("creates the instance, with the start in its inbox", () => {
    const { answer, row: created, item } = admitStart(start(), {}, T0)(undefined);
    expect([answer, created?.wipe, created?.unfinished, created?.incarnation]).toEqual(["created", false, true, "e2"]);
    expect(item?.visibleAt).toBeUndefined();
  });

  it("of a sender whose clock is ahead is created now, not in the future", () => {
    const { row: created } = admitStart(start(), {}, T0 - 5000)(undefined);
    expect(created?.summary.createdAtMs).toBe(T0 - 5000);
  });

  it("that is scheduled wakes the instance then; one in the past means now", () => {
    const later = admitStart(start({ scheduledStart: T0 + 50 }), {}, T0)(undefined);
    expect([later.item?.visibleAt, later.row?.wakeAt, later.row?.unfinished]).toEqual([T0 + 50, T0 + 50, false]);
    const past = admitStart(start({ scheduledStart: T0 - 50 }), {}, T0)(undefined);
    expect([past.item?.visibleAt, past.row?.unfinished]).toEqual([undefined, true]);
  });

  it("of a taken id is refused, kept or a replacement, as the policy for its state says", () => {
    const policy = (action: CreateOrchestrationAction, operationStatus = [RUNNING]) => ({
      reusePolicy: create(OrchestrationIdReusePolicySchema, { action, operationStatus }),
    });
    expect(() => admitStart(start(), {}, T0)(row())).toThrow(InstanceExistsError);
    expect(() => admitStart(start(), policy(CreateOrchestrationAction.ERROR), T0)(row())).toThrow(InstanceExistsError);
    expect(() =>
      admitStart(start(), policy(CreateOrchestrationAction.TERMINATE), T0)(row({ status: COMPLETED })),
    ).toThrow(InstanceExistsError);
    expect(admitStart(start(), policy(CreateOrchestrationAction.IGNORE), T0)(row())).toEqual({ answer: "kept" });
    const replaced = admitStart(start(), policy(CreateOrchestrationAction.TERMINATE), T0)(row());
    expect([replaced.answer, replaced.row?.wipe]).toEqual(["created", true]);
  });

  it("with the key of the run that is there changes nothing, and a tombstone is no obstacle", () => {
    expect(admitStart(start(), { idempotencyKey: "k" }, T0)(row({ startKey: "k" }))).toEqual({ answer: "kept" });
    expect(() => admitStart(start(), { idempotencyKey: "k" }, T0)(row({ startKey: "other" }))).toThrow(
      InstanceExistsError,
    );
    expect(admitStart(start(), {}, T0)(row({ purgedAtMs: T0 })).answer).toBe("created");
  });
});

describe("a client's event", () => {
  it("needs an instance that is there and has not ended", () => {
    const admit = admitEvent("abc", raised, T0, undefined);
    expect(admit(row()).answer).toBe("added");
    expect(() => admit(undefined)).toThrow(InstanceNotFoundError);
    expect(() => admit(row({ purgedAtMs: T0 }))).toThrow(InstanceNotFoundError);
    expect(() => admit(row({ status: COMPLETED }))).toThrow(InstanceCompletedError);
  });

  it("that terminates what has ended is taken, and goes on only where it recurses", () => {
    const terminate = (recurse: boolean) => admitEvent("abc", executionTerminated({ recurse }, T0), T0, undefined);
    expect(terminate(false)(row({ status: COMPLETED }))).toEqual({ answer: "kept" });
    expect(terminate(true)(row({ status: COMPLETED })).item).toBeDefined();
  });

  it("with a known key changes nothing; with a new one it has a key of its own in the inbox", () => {
    expect(admitEvent("abc", raised, T0, "k")(row({ eventKeys: ["k"] }))).toEqual({ answer: "kept" });
    expect(admitEvent("abc", raised, T0, "k")(row()).item?.key).toBe("client:k");
  });
});

describe("another instance's message", () => {
  it("is taken when it is new, and acknowledged without effect when it was received", () => {
    const receipt = { source: "other", sourceExecutionId: "oe", seq: 5, atMs: T0 };
    expect(deliver(raised, row()).item).toBeDefined();
    const repeated = deliver(raised, row({ receipts: [receipt] }));
    expect([repeated.answer.status, repeated.item]).toEqual(["accepted", undefined]);
    expect(deliver(raised, row({ receipts: [receipt] }), { seq: 6 }).item).toBeDefined();
    expect(deliver(raised, row({ receipts: [receipt] }), { sourceExecutionId: "another run" }).item).toBeDefined();
  });

  it("that can have no effect is dropped with a reason", () => {
    const reasons = [
      deliver(raised, undefined),
      deliver(raised, row({ purgedAtMs: T0 })),
      deliver(raised, row({ status: COMPLETED })),
      deliver(subOrchestrationCompleted(0, {}, T0), row({ children: [{ id: 0 }], generation: 1 }), { generation: 0 }),
      deliver(subOrchestrationCompleted(0, {}, T0), row({ children: [{ id: 1 }] }), { generation: 0 }),
      deliver(timerFired({ timerId: 0, fireAt: T0 }, T0), row({ status: FAILED })),
      admitEnvelope(create(EnvelopeSchema, { targetInstanceId: "abc" }), T0)(row()),
    ];
    for (const { answer, item } of reasons) expect([answer.status, item]).toEqual(["dropped", undefined]);
    expect(new Set(reasons.map(({ answer }) => answer.reason)).size).toBeGreaterThan(3);
  });

  it("with a child's result is taken under one key, however often it is sent", () => {
    const completed = subOrchestrationCompleted(3, {}, T0);
    const parentRow = row({ executionId: "mine", children: [{ id: 3, instanceId: "other" }] });
    expect(deliver(completed, parentRow, { generation: 0 }).item?.key).toBe("result:0:child:3");
    const meant = deliver(completed, parentRow, { generation: 0, targetExecutionId: "mine" });
    expect(meant.item?.key).toBe("result:0:child:3");
  });

  it("with a result is dropped when it is of another child, or meant for a former run of the parent", () => {
    const completed = subOrchestrationCompleted(3, {}, T0);
    const children = [{ id: 3, instanceId: "other" }];
    const stranger = deliver(completed, row({ children: [{ id: 3, instanceId: "elsewhere" }] }), { generation: 0 });
    const former = deliver(completed, row({ executionId: "mine", children }), { targetExecutionId: "former" });
    for (const { answer, item } of [stranger, former]) expect([answer.status, item]).toEqual(["dropped", undefined]);
  });

  it("reaches an ended instance when it goes on to its children, or rewinds its failure", () => {
    expect(deliver(executionTerminated({ recurse: true }, T0), row({ status: COMPLETED })).item).toBeDefined();
    expect(deliver(executionTerminated({ recurse: false }, T0), row({ status: COMPLETED })).item).toBeUndefined();
    expect(deliver(executionRewound({}, T0), row({ status: FAILED })).item).toBeDefined();
    expect(deliver(executionRewound({}, T0), row({ status: COMPLETED })).item).toBeUndefined();
  });
});

describe("the start of a child", () => {
  const parent = {
    taskScheduledId: 2,
    generation: 1,
    orchestrationInstance: { instanceId: "other", executionId: "oe" },
  };
  const child = start({ parent });

  it("creates it, or takes the place of one that has ended", () => {
    expect(deliver(child, undefined).row?.wipe).toBe(false);
    expect(deliver(child, row({ status: FAILED })).row?.wipe).toBe(true);
    expect(deliver(child, row({ purgedAtMs: T0 })).row).toBeDefined();
  });

  it("on a running instance is refused, and the parent is told in the same transaction", () => {
    const { answer, reply, row: created } = deliver(child, row());
    expect([answer.status, created, reply?.instanceId, reply?.key]).toEqual([
      "refused",
      undefined,
      "other",
      "result:1:child:2",
    ]);
    const event = reply === undefined ? undefined : unmarshalEnvelope(reply.bytes).event;
    expect(event?.eventType.case).toBe("subOrchestrationInstanceFailed");
  });

  it("sent again changes nothing, also after the child has ended or was purged", () => {
    for (const fields of [{}, { status: COMPLETED }]) {
      const repeated = deliver(child, row({ parent, ...fields }));
      expect([repeated.answer.status, repeated.row]).toEqual(["accepted", undefined]);
    }
    const purged = deliver(child, row({ parent, purgedAtMs: T0 }));
    expect([purged.answer.status, purged.row, purged.reply?.instanceId]).toEqual(["refused", undefined, "other"]);
  });

  it("that undoes a failure rewinds the child, has a completed one tell its result, and leaves a running one", () => {
    const again = (fields: { readonly status?: OrchestrationStatus; readonly purgedAtMs?: number }) =>
      deliver(child, row({ parent, ...fields }), { again: true });
    for (const status of [FAILED, COMPLETED]) {
      const { item, row: created } = again({ status });
      expect([item?.key, created]).toEqual(["rewind", undefined]);
      const kind = item === undefined ? undefined : unmarshalEnvelope(item.bytes).event?.eventType.case;
      expect(kind).toBe("executionRewound");
    }
    expect([again({}).item, again({}).row]).toEqual([undefined, undefined]);
    expect(again({ status: OrchestrationStatus.TERMINATED }).row?.wipe).toBe(true);
    expect(again({ purgedAtMs: T0 }).item?.key).toBe("start");
  });

  it("takes the place of a child that a former run of the same parent has left behind", () => {
    const former = { ...parent, orchestrationInstance: { instanceId: "other", executionId: "former" } };
    expect(deliver(child, row({ parent: former })).row?.wipe).toBe(true);
    const stranger = { ...parent, orchestrationInstance: { instanceId: "third", executionId: "former" } };
    expect(deliver(child, row({ parent: stranger })).answer.status).toBe("refused");
    expect(deliver(child, row({ parent: { ...former, generation: 0 } })).answer.status).toBe("refused");
  });

  it("that nobody waits for is told apart by its execution id, and dropped on a running instance", () => {
    expect(deliver(start(), row({ incarnation: "e2", executionId: "e2" })).answer.status).toBe("accepted");
    const refused = deliver(start(), row());
    expect([refused.answer.status, refused.reply]).toEqual(["dropped", undefined]);
  });
});
