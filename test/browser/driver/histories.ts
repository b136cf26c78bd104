import { expect } from "vitest";

/** Every activity and timer has one result at most, and each is scheduled before its result. */
export function expectEachOnce(history: readonly string[]): void {
  const results = history.filter((event) =>
    /^(taskCompleted|timerFired|subOrchestrationInstanceCompleted)/.test(event),
  );
  expect(new Set(results).size).toBe(results.length);
}
