import type { OrchestratorAnswer } from "../../core/history/orchestrator-answer.ts";
import type { ActivityCall, Executor, OrchestratorTurn } from "../../core/hub/executor.ts";
import type { TaskRegistry } from "../../core/orchestration/registry.ts";
import { Dialect, type HistoryEvent, Runner } from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";

/**
 * Runs the names of a registry here and sends all others to connected workers. Who ran the first turn of a generation runs
 * the rest of it, since SDKs number their actions differently.
 */
export class CompositeExecutor implements Executor {
  /** Unless an answer says otherwise. */
  readonly runner: Runner = Runner.IN_PROCESS;
  readonly dialect: Dialect = Dialect.UNSPECIFIED;
  readonly #registry: Pick<TaskRegistry, "has">;
  readonly #local: Executor;
  readonly #remote: Executor;

  constructor(registry: Pick<TaskRegistry, "has">, local: Executor, remote: Executor) {
    this.#registry = registry;
    this.#local = local;
    this.#remote = remote;
  }

  async executeOrchestrator(turn: OrchestratorTurn): Promise<OrchestratorAnswer> {
    if (this.#isRemote(turn)) return this.#remote.executeOrchestrator(turn);
    const answer = await this.#local.executeOrchestrator(turn);
    return { ...answer, ranBy: { runner: this.#local.runner, dialect: this.#local.dialect } };
  }

  #isRemote(turn: OrchestratorTurn): boolean {
    const runner = turn.pinned?.runner;
    if (runner === Runner.REMOTE) return true;
    if (runner === Runner.IN_PROCESS) return false;
    return turn.name !== undefined && !this.#registry.has("orchestrator", turn.name);
  }

  executeActivity(call: ActivityCall): Promise<HistoryEvent> {
    const { case: kind, value } = call.event.eventType;
    const isHere = kind !== "taskScheduled" || this.#registry.has("activity", value.name);
    return (isHere ? this.#local : this.#remote).executeActivity(call);
  }

  release(instanceId: string): void {
    this.#local.release(instanceId);
    this.#remote.release(instanceId);
  }

  releaseAll(): void {
    this.#local.releaseAll();
    this.#remote.releaseAll();
  }

  async shutdown(): Promise<void> {
    await Promise.all([this.#local.shutdown(), this.#remote.shutdown()]);
  }
}
