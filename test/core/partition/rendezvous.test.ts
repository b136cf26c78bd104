import { describe, expect, it } from "vitest";
import {
  AbortedError,
  TaskCancelledError,
  UnknownInstanceIdError,
  UnknownTaskIdError,
} from "../../../src/core/errors.ts";
import { LocalRendezvous } from "../../../src/core/partition/rendezvous.ts";
import {
  activityRequest,
  activityResponse,
  orchestratorRequest,
  orchestratorResponse,
} from "../../../src/core/protocol/actions.ts";
import { orchestratorStarted } from "../../../src/core/protocol/events.ts";

const turn = orchestratorRequest({ instanceId: "a", newEvents: [orchestratorStarted(0)] });
const attempt = activityRequest({ name: "x", instanceId: "a", taskId: 1 });
const turnAnswer = orchestratorResponse({ instanceId: "a", actions: [] });
const attemptAnswer = activityResponse({ instanceId: "a", taskId: 1, result: "42" });

describe("the local rendezvous", () => {
  it("delivers answers to those who wait, once", async () => {
    const rendezvous = new LocalRendezvous();
    const waits = [rendezvous.waitForOrchestratorCompletion(turn), rendezvous.waitForActivityCompletion(attempt)];
    await rendezvous.completeOrchestratorTask(turnAnswer);
    await rendezvous.completeActivityTask(attemptAnswer);
    expect(await Promise.all(waits)).toEqual([turnAnswer, attemptAnswer]);
    await expect(rendezvous.completeOrchestratorTask(turnAnswer)).rejects.toThrow("unknown instance ID: a");
    await expect(rendezvous.completeActivityTask(attemptAnswer)).rejects.toThrow(
      "unknown instance ID/task ID combo: a/1",
    );
  });

  it("rejects cancelled waits, and refuses to cancel nothing", async () => {
    const rendezvous = new LocalRendezvous();
    const waits = [
      expect(rendezvous.waitForOrchestratorCompletion(turn)).rejects.toThrow(TaskCancelledError),
      expect(rendezvous.waitForActivityCompletion(attempt)).rejects.toThrow(TaskCancelledError),
    ];
    await rendezvous.cancelOrchestratorTask("a");
    await rendezvous.cancelActivityTask("a", 1);
    await Promise.all(waits);
    await expect(rendezvous.cancelOrchestratorTask("a")).rejects.toThrow(UnknownInstanceIdError);
    await expect(rendezvous.cancelActivityTask("a", 1)).rejects.toThrow(UnknownTaskIdError);
  });

  it("forgets a wait that is aborted", async () => {
    const rendezvous = new LocalRendezvous();
    const controller = new AbortController();
    const wait = rendezvous.waitForActivityCompletion(attempt, { signal: controller.signal });
    controller.abort();
    await expect(wait).rejects.toThrow(AbortedError);
    await expect(rendezvous.completeActivityTask(attemptAnswer)).rejects.toThrow(UnknownTaskIdError);
    await expect(rendezvous.waitForActivityCompletion(attempt, { signal: controller.signal })).rejects.toThrow(
      AbortedError,
    );
  });

  it("cancels the first of two waits for the same work, and an abort of it does not touch the second", async () => {
    const rendezvous = new LocalRendezvous();
    const controller = new AbortController();
    const first = rendezvous.waitForActivityCompletion(attempt, { signal: controller.signal });
    const second = rendezvous.waitForActivityCompletion(attempt);
    await expect(first).rejects.toThrow(TaskCancelledError);
    controller.abort();
    await rendezvous.completeActivityTask(attemptAnswer);
    expect(await second).toBe(attemptAnswer);
  });

  it("ends every wait at a stop", async () => {
    const rendezvous = new LocalRendezvous();
    const waits = [rendezvous.waitForOrchestratorCompletion(turn), rendezvous.waitForActivityCompletion(attempt)];
    const ended = waits.map((wait) => expect(wait).rejects.toThrow(TaskCancelledError));
    rendezvous.cancelAll();
    await Promise.all(ended);
  });
});
