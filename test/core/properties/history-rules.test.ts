import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ResolvedResults, type ResultKey, resultKeyOf, resultKeyText } from "../../../src/core/history/dedup.ts";
import { forkForRewind } from "../../../src/core/history/fork.ts";
import { OrchestrationRuntimeState } from "../../../src/core/history/runtime-state.ts";
import {
  eventRaised,
  executionCompleted,
  executionResumed,
  executionStarted,
  executionSuspended,
  orchestratorStarted,
  subOrchestrationCompleted,
  subOrchestrationCreated,
  taskCompleted,
  taskFailed,
  taskScheduled,
  timerCreated,
  timerFired,
} from "../../../src/core/protocol/events.ts";
import { type HistoryEvent, OrchestrationStatus } from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { fuzzing } from "./fuzzing.ts";

const NOW = 1_700_000_000_000;

/** A piece of work: how it is asked for, and how its result looks. */
const WORK = {
  task: {
    ask: (id: number) => taskScheduled(id, { name: "a", taskExecutionId: `t${id}` }, NOW),
    end: (id: number) => taskCompleted(id, {}, NOW),
  },
  timer: {
    ask: (id: number) => timerCreated(id, { fireAt: NOW, name: "t" }, NOW),
    end: (id: number) => timerFired({ timerId: id, fireAt: NOW }, NOW),
  },
  child: {
    ask: (id: number) => subOrchestrationCreated(id, { instanceId: `c${id}`, name: "c" }, NOW),
    end: (id: number) => subOrchestrationCompleted(id, {}, NOW),
  },
} as const;

const kinds = fc.constantFrom("task", "timer", "child");

/** A history in which work is asked for in order of ids, and resolved in any order, each at most once. */
const histories = fc
  .array(fc.record({ kind: kinds, isResolved: fc.boolean(), delay: fc.nat(6) }), { maxLength: 12 })
  .map((works) => {
    const events: HistoryEvent[] = [];
    works.forEach(({ kind }, id) => {
      events.push(WORK[kind].ask(id));
    });
    works.forEach(({ kind, isResolved, delay }, id) => {
      if (!isResolved) return;
      const asked = events.findIndex((event) => event.eventId === id);
      events.splice(Math.min(events.length, asked + 1 + delay), 0, WORK[kind].end(id));
    });
    return { events, works };
  });

const keys: fc.Arbitrary<ResultKey> = fc.record({ kind: kinds, id: fc.nat(15) });

describe("results are counted once", () => {
  it("whether they are remembered by the events or by what is pending", () => {
    fc.assert(
      fc.property(histories, fc.array(keys, { maxLength: 10 }), ({ events, works }, arriving) => {
        const byEvents = ResolvedResults.empty();
        for (const event of events) {
          const key = resultKeyOf(event);
          if (key !== undefined) expect(byEvents.add(key)).toBe(true);
        }
        const pending = works.flatMap(({ kind, isResolved }, id) => (isResolved ? [] : [{ kind, id }]));
        const byPending = ResolvedResults.fromPending(works.length, pending);
        for (const key of arriving) {
          // A result of another kind than its work is no repetition, but nothing waits for it: only the tables know that.
          const isOfItsWork = key.id >= works.length || works[key.id]?.kind === key.kind;
          if (isOfItsWork) expect(byPending.add(key), resultKeyText(key)).toBe(byEvents.add(key));
          else expect(byPending.add(key)).toBe(false);
        }
      }),
      fuzzing(200),
    );
  });

  it("and a second time, a start or an end, in any order", () => {
    const start = (): HistoryEvent => executionStarted({ name: "o", instanceId: "i", executionId: "x" }, NOW);
    const end = (): HistoryEvent => executionCompleted(99, { status: OrchestrationStatus.COMPLETED }, NOW);
    const noise = fc.constantFrom(
      start,
      end,
      () => executionSuspended({}, NOW),
      () => executionResumed({}, NOW),
      () => eventRaised({ name: "e" }, NOW),
    );
    fc.assert(
      fc.property(
        histories,
        fc.array(noise, { maxLength: 8 }),
        fc.infiniteStream(fc.nat(100)),
        ({ events }, more, places) => {
          const all = [...events, ...events.filter((event) => resultKeyOf(event) !== undefined)];
          for (const make of more) all.splice((places.next().value ?? 0) % (all.length + 1), 0, make());
          const state = OrchestrationRuntimeState.fromHistory("i", []);
          const errors = state.addEvents(all);
          const kept = all.filter((_, index) => errors[index] === undefined);
          expect(state.newEvents).toEqual(kept);
          const texts = kept.flatMap((event) => resultKeyOf(event) ?? []).map(resultKeyText);
          expect(new Set(texts).size).toBe(texts.length);
          for (const kind of ["executionStarted", "executionCompleted"]) {
            expect(kept.filter(({ eventType }) => eventType.case === kind).length).toBeLessThanOrEqual(1);
          }
          // Whoever reads the history again comes to the same.
          const again = OrchestrationRuntimeState.fromHistory("i", kept);
          expect([again.oldEvents.length, again.isSuspended, again.isCompleted, again.runtimeStatus]).toEqual([
            kept.length,
            state.isSuspended,
            state.isCompleted,
            state.runtimeStatus,
          ]);
        },
      ),
      fuzzing(200),
    );
  });
});

describe("a rewind", () => {
  it("keeps whole turns, and loses no result that had come", () => {
    fc.assert(
      fc.property(histories, fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), ({ events, works }, fails) => {
        const asked = events.filter((event) => event.eventId >= 0);
        const results = events
          .filter((event) => resultKeyOf(event) !== undefined)
          .map((event) => {
            const key = resultKeyOf(event) as ResultKey;
            return key.kind === "task" && fails[key.id] === true
              ? taskFailed(key.id, { failureDetails: {} }, NOW)
              : event;
          });
        const first = [
          orchestratorStarted(NOW),
          executionStarted({ name: "o", instanceId: "i", executionId: "x" }, NOW),
          ...asked,
        ];
        const last = [
          orchestratorStarted(NOW),
          ...results,
          executionCompleted(50, { status: OrchestrationStatus.FAILED }, NOW),
        ];
        const fork = forkForRewind([...first, ...last]);
        expect(fork.history).toEqual(first);
        const again = new Set(fork.tasks.map(({ eventId }) => eventId));
        const anew = new Set(fork.inbound.flatMap((event) => resultKeyOf(event) ?? []).map(resultKeyText));
        works.forEach(({ kind, isResolved }, id) => {
          if (kind !== "task") return;
          const isOpen = !isResolved || fails[id] === true;
          expect([again.has(id), anew.has(`task:${id}`)]).toEqual([isOpen, !isOpen]);
        });
      }),
      fuzzing(200),
    );
  });
});
