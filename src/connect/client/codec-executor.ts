import type { OrchestratorAnswer } from "../../core/history/orchestrator-answer.ts";
import type { ActivityCall, Executor, OrchestratorTurn } from "../../core/hub/executor.ts";
import {
  decodedHistory,
  decodeEvents,
  encodeAnswer,
  encodeEvent,
  type PayloadCodec,
} from "../../core/orchestration/payload-codec.ts";
import type { Dialect, HistoryEvent, Runner } from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";

/** Runs code on decoded payloads and encodes what it gives: the hub at the other end sees encoded payloads only. */
export class CodecExecutor implements Executor {
  readonly runner: Runner;
  readonly dialect: Dialect;
  readonly #inner: Executor;
  readonly #codec: PayloadCodec;

  constructor(inner: Executor, codec: PayloadCodec) {
    this.#inner = inner;
    this.#codec = codec;
    this.runner = inner.runner;
    this.dialect = inner.dialect;
  }

  async executeOrchestrator(turn: OrchestratorTurn): Promise<OrchestratorAnswer> {
    const oldEvents = decodedHistory(this.#codec, turn.oldEvents);
    const newEvents = await decodeEvents(this.#codec, turn.newEvents);
    return encodeAnswer(this.#codec, await this.#inner.executeOrchestrator({ ...turn, oldEvents, newEvents }));
  }

  async executeActivity(call: ActivityCall): Promise<HistoryEvent> {
    const [event = call.event] = await decodeEvents(this.#codec, [call.event]);
    return encodeEvent(this.#codec, await this.#inner.executeActivity({ ...call, event }));
  }

  release(instanceId: string): void {
    this.#inner.release(instanceId);
  }

  releaseAll(): void {
    this.#inner.releaseAll();
  }

  shutdown(): Promise<void> {
    return this.#inner.shutdown();
  }
}
