import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { LiveInstance } from "../../../src/core/partition/live-instance.ts";
import { rowOf } from "../../../src/core/partition/record.ts";
import { MAX_EVENTS_PER_TURN, nextLookMs, selectTurn } from "../../../src/core/partition/turn-selection.ts";
import {
  eventRaised,
  executionStarted,
  executionTerminated,
  taskCompleted,
} from "../../../src/core/protocol/events.ts";
import type { HistoryEvent } from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import {
  type Envelope,
  EnvelopeSchema,
  InstanceRecordSchema,
  PendingTimerSchema,
} from "../../../src/core/protocol/gen/perdura/model/v1/store_pb.ts";
import { marshalEnvelope } from "../../../src/core/protocol/marshal.ts";
import { timestampFromMs } from "../../../src/core/protocol/timestamp.ts";

const T0 = 1_700_000_000_000;
const start = executionStarted({ name: "main", instanceId: "abc", executionId: "e" }, T0);
const raised = (name: string) => eventRaised({ name }, T0);

interface Item extends Partial<Pick<Envelope, "generation" | "visibleAtMs" | "carried">> {
  readonly event: HistoryEvent;
  readonly atMs?: number;
}

function instance(
  items: readonly Item[],
  record: {
    readonly historyLength?: number;
    readonly generation?: number;
    readonly timers?: readonly [id: number, atMs: number][];
  } = {},
): LiveInstance {
  const { timers = [], historyLength = 3, generation = 0 } = record;
  const row = rowOf(
    create(InstanceRecordSchema, {
      instanceId: "abc",
      historyLength,
      generation,
      timers: timers.map(([id, atMs]) => create(PendingTimerSchema, { id, fireAt: timestampFromMs(atMs) })),
    }),
    { unfinished: true, wakeAt: undefined },
  );
  const inbox = items.map(({ atMs = T0, event, ...more }, index) => ({
    seq: index + 1,
    bytes: marshalEnvelope(create(EnvelopeSchema, { ...more, event, createdAtMs: atMs })),
  }));
  return new LiveInstance({ row, inbox, outbox: [] });
}

function names(live: LiveInstance, nowMs = T0): (string | number | undefined)[] | undefined {
  return selectTurn(live, nowMs)?.events.map(({ eventType }) => {
    if (eventType.case === "eventRaised") return eventType.value.name;
    return eventType.case === "timerFired" ? eventType.value.timerId : eventType.case;
  });
}

describe("the next turn", () => {
  it("has what waits, in order of arrival", () => {
    expect(names(instance([{ event: raised("a") }, { event: raised("b") }]))).toEqual(["a", "b"]);
  });

  it("is none when nothing is due", () => {
    expect(names(instance([]))).toBeUndefined();
    expect(names(instance([{ event: raised("a"), visibleAtMs: T0 + 1 }], { timers: [[0, T0 + 1]] }))).toBeUndefined();
  });

  it("has timers where their time falls among the events, and by id at the same time", () => {
    const items = [
      { event: raised("a"), atMs: T0 + 10 },
      { event: raised("b"), atMs: T0 + 30 },
    ];
    const live = instance(items, {
      timers: [
        [3, T0 + 20],
        [2, T0 + 20],
        [1, T0 + 40],
        [9, T0 + 99],
      ],
    });
    expect(names(live, T0 + 50)).toEqual(["a", 2, 3, "b", 1]);
  });

  it("has no timer early, not even by a fraction of a millisecond", () => {
    const live = instance([], { timers: [[0, T0 + 0.5]] });
    expect(names(live, T0)).toBeUndefined();
    expect(names(live, T0 + 1)).toEqual([0]);
  });

  it("has the start first, then what was carried over, then the rest", () => {
    const items = [{ event: raised("b") }, { event: raised("a"), carried: true }, { event: start, carried: true }];
    expect(names(instance(items, { historyLength: 0 }))).toEqual(["executionStarted", "a", "b"]);
  });

  it("holds everything back until there is a start to begin with", () => {
    expect(names(instance([{ event: raised("a") }], { historyLength: 0, timers: [[0, T0]] }))).toBeUndefined();
    const delayed = [{ event: start, visibleAtMs: T0 + 100 }, { event: raised("a") }];
    expect(names(instance(delayed, { historyLength: 0 }))).toBeUndefined();
    expect(names(instance(delayed, { historyLength: 0 }), T0 + 100)).toEqual(["executionStarted", "a"]);
  });

  it("does not wait for a scheduled start that is to be terminated", () => {
    const items = [{ event: start, visibleAtMs: T0 + 100 }, { event: executionTerminated({ recurse: false }, T0) }];
    expect(names(instance(items, { historyLength: 0 }))).toEqual(["executionStarted", "executionTerminated"]);
  });

  it("consumes results of a former generation and delivers none", () => {
    const live = instance([{ event: taskCompleted(0, {}, T0), generation: 0 }, { event: raised("a") }], {
      generation: 1,
    });
    const selection = selectTurn(live, T0);
    expect([selection?.events.length, selection?.consumed.length]).toEqual([1, 2]);
    const only = selectTurn(instance([{ event: taskCompleted(0, {}, T0), generation: 0 }], { generation: 1 }), T0);
    expect([only?.events.length, only?.consumed.length]).toEqual([0, 1]);
  });

  it("has staged results last, those of its own generation", () => {
    const live = instance([{ event: raised("a") }], { generation: 1 });
    const staged = { resolve: () => undefined, reject: () => undefined };
    live.staged.push({ taskId: 0, generation: 0, event: taskCompleted(0, {}, T0), ...staged });
    live.staged.push({ taskId: 0, generation: 1, event: taskCompleted(0, {}, T0), ...staged });
    expect([names(live), selectTurn(live, T0)?.staged.length]).toEqual([["a", "taskCompleted"], 2]);
  });

  it("has a thousand events at most", () => {
    const live = instance(Array.from({ length: MAX_EVENTS_PER_TURN + 5 }, () => ({ event: raised("a") })));
    expect(names(live)?.length).toBe(MAX_EVENTS_PER_TURN);
  });

  it("is empty when it was only asked for", () => {
    const live = instance([]);
    live.turnAsked = true;
    expect(names(live)).toEqual([]);
  });
});

describe("the next look", () => {
  it("is at the earliest timer or delayed event", () => {
    const live = instance([{ event: raised("a"), visibleAtMs: T0 + 50 }], { timers: [[0, T0 + 80]] });
    expect(nextLookMs(live.record, live.inbox)).toBe(T0 + 50);
    expect(nextLookMs(live.record, [])).toBe(T0 + 80);
    expect(nextLookMs(instance([]).record, [])).toBeUndefined();
  });
});

describe("late news of the inbox", () => {
  it("adds an item once, in its place, and never after it was consumed", () => {
    const live = instance([{ event: raised("a") }, { event: raised("c") }]);
    const [first] = live.inbox;
    if (first === undefined) throw new Error("no item");
    live.enqueue(first);
    expect(live.inbox.length).toBe(2);
    live.dequeue([first]);
    live.enqueue(first);
    expect(live.inbox.map(({ seq }) => seq)).toEqual([2]);
    live.enqueue({ ...first, seq: 9 });
    live.enqueue({ ...first, seq: 5 });
    expect(live.inbox.map(({ seq }) => seq)).toEqual([2, 5, 9]);
  });
});
