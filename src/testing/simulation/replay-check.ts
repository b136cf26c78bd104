import { historyOf } from "../../core/history/history-view.ts";
import { silentLogger } from "../../core/hub/logger.ts";
import { InProcessExecutor } from "../../core/orchestration/in-process-executor.ts";
import { type ActionIdentity, describeAction, identityOfEvent } from "../../core/orchestration/recorded-action.ts";
import { TaskRegistry } from "../../core/orchestration/registry.ts";
import type { HistoryEvent, OrchestratorAction } from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { timestampToMs } from "../../core/protocol/timestamp.ts";
import { interpret } from "./interpreter.ts";
import { type Program, programName } from "./program.ts";
import { ACTIVITIES } from "./program-generator.ts";
import { Violation } from "./violation.ts";

/** Replays a durable history from scratch, and compares what each turn asks for with what history says it asked for. */
export class ReplayCheck {
  readonly #executor: InProcessExecutor;

  constructor(programs: readonly Program[], hop: () => Promise<void>) {
    const registry = new TaskRegistry();
    programs.forEach((program, index) => {
      registry.addOrchestrator(programName(index), interpret(program));
    });
    for (const name of ACTIVITIES) registry.addActivity(name, () => undefined);
    this.#executor = new InProcessExecutor({
      registry,
      settle: hop,
      cacheSize: 0,
      logger: silentLogger(),
      now: () => 0,
    });
  }

  /**
   * Checks some turns of a history.
   *
   * @param isChosen which turns, counted from 0.
   * @throws {@link Violation}.
   */
  async check(instanceId: string, events: readonly HistoryEvent[], isChosen: (turn: number) => boolean): Promise<void> {
    const begins = events.flatMap(({ eventType }, index) => (eventType.case === "orchestratorStarted" ? [index] : []));
    for (const [turn, begin] of begins.entries()) {
      const recorded = events.slice(begin, begins[turn + 1] ?? events.length);
      // A termination ends a turn without its code; a rewind's marker is no turn of the code.
      const kinds = recorded.map(({ eventType }) => eventType.case);
      if (!isChosen(turn) || kinds.includes("executionTerminated") || kinds.includes("executionRewound")) continue;
      const answer = await this.#executor.executeOrchestrator({
        instanceId,
        executionId: "",
        oldEvents: historyOf(events.slice(0, begin)),
        newEvents: recorded.filter((event) => identityOfEvent(event) === undefined),
      });
      const wanted = recorded.flatMap(describeEvent).sort();
      const got = answer.actions.map(describeAsked).sort();
      if (wanted.join("\n") !== got.join("\n")) {
        throw new Violation(
          "replay asks for what the live run asked for",
          `turn ${turn} of '${instanceId}' recorded [${wanted.join(", ")}], but its replay asks for [${got.join(", ")}]`,
        );
      }
    }
  }
}

function describeEvent(event: HistoryEvent): string[] {
  const identity = identityOfEvent(event);
  if (identity === undefined) return [];
  const { case: kind, value } = event.eventType;
  const more =
    kind === "taskScheduled"
      ? `${value.input} ${value.taskExecutionId} ${value.attempt}`
      : kind === "subOrchestrationInstanceCreated" || kind === "eventSent"
        ? value.input
        : kind === "timerCreated"
          ? timeOf(value.fireAt)
          : kind === "executionCompleted"
            ? `${value.orchestrationStatus} ${value.result}`
            : "";
  return [`${describeAction(identity)} ${more}`];
}

function timeOf(moment: Parameters<typeof timestampToMs>[0] | undefined): number | undefined {
  return moment === undefined ? undefined : timestampToMs(moment);
}

function describeAsked({ id, orchestratorActionType: { case: kind, value } }: OrchestratorAction): string {
  const named = (kindName: ActionIdentity["kind"], name: string): string =>
    describeAction({ kind: kindName, id, name });
  switch (kind) {
    case "scheduleTask":
      return `${named("activity", value.name)} ${value.input} ${value.taskExecutionId} ${value.attempt}`;
    case "createSubOrchestration":
      return `${named("sub-orchestration", value.name)} ${value.input}`;
    case "sendEvent":
      return `${named("event", value.name)} ${value.data}`;
    case "createTimer":
      return `${named("timer", value.name ?? "")} ${timeOf(value.fireAt)}`;
    case "completeOrchestration":
      return `${named("completion", "")} ${value.orchestrationStatus} ${value.result}`;
    default:
      return named("other", "");
  }
}
