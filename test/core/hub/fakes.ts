/** Stand-ins for backends and executors. */
import { historyOf } from "../../../src/core/history/history-view.ts";
import type { OrchestratorAnswer } from "../../../src/core/history/orchestrator-answer.ts";
import { OrchestrationRuntimeState } from "../../../src/core/history/runtime-state.ts";
import type { Backend } from "../../../src/core/hub/backend.ts";
import type { OrchestratorExecutor, OrchestratorTurn } from "../../../src/core/hub/executor.ts";
import { OrchestrationWorkItem } from "../../../src/core/hub/work-item.ts";
import { executionStarted } from "../../../src/core/protocol/events.ts";
import { Dialect, type HistoryEvent, Runner } from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";

export const T0 = 1_700_000_000_000;

/** A backend of which only some methods exist; any other one throws. */
export function partialBackend(methods: Partial<Backend>): Backend {
  return new Proxy(methods as Backend, {
    get(target, name) {
      const method = Reflect.get(target, name) as unknown;
      if (method === undefined) throw new Error(`the fake backend has no ${String(name)}`);
      return method;
    },
  });
}

/** An executor that answers from a list, or throws what is in it. */
export class ScriptedExecutor implements OrchestratorExecutor {
  readonly runner: Runner = Runner.IN_PROCESS;
  readonly dialect: Dialect = Dialect.UNSPECIFIED;
  readonly turns: OrchestratorTurn[] = [];
  readonly released: string[] = [];
  readonly #answers: (Partial<OrchestratorAnswer> | Error)[];

  constructor(...answers: (Partial<OrchestratorAnswer> | Error)[]) {
    this.#answers = answers;
  }

  async executeOrchestrator(turn: OrchestratorTurn): Promise<OrchestratorAnswer> {
    this.turns.push({ ...turn, newEvents: [...turn.newEvents] });
    const answer = this.#answers.shift() ?? {};
    if (answer instanceof Error) throw answer;
    return { actions: [], customStatus: undefined, ...answer };
  }

  release(instanceId: string): void {
    this.released.push(instanceId);
  }

  releaseAll(): void {}
}

export const start: HistoryEvent = executionStarted({ name: "main", instanceId: "abc", executionId: "e1" }, T0);

/** The state of an instance with this history. */
export function stateOf(history: readonly HistoryEvent[] = []): OrchestrationRuntimeState {
  const state = OrchestrationRuntimeState.fromHistory("abc", history);
  state.oldEvents = historyOf(history);
  return state;
}

export function turnItem(...newEvents: HistoryEvent[]): OrchestrationWorkItem {
  return new OrchestrationWorkItem({ instanceId: "abc", lockedBy: "me", newEvents });
}

/** A promise that a test settles. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}
