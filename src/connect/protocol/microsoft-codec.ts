import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import * as wire from "../../core/protocol/gen/microsoft/orchestrator_service_pb.ts";
import * as model from "../../core/protocol/gen/perdura/model/v1/history_pb.ts";
import { MessageConverter } from "./convert.ts";

/**
 * Microsoft's messages to the model's and back. Dapr's dialect needs no such thing: the model has its numbers, and is what
 * travels.
 */
export class MicrosoftCodec {
  readonly #converter = new MessageConverter();

  /** What a worker's turn asks for. */
  orchestratorResponse(response: wire.OrchestratorResponse): model.OrchestratorResponse {
    return this.#converter.convert(wire.OrchestratorResponseSchema, model.OrchestratorResponseSchema, response);
  }

  /** How a worker's activity ended. */
  activityResponse(response: wire.ActivityResponse): model.ActivityResponse {
    return this.#converter.convert(wire.ActivityResponseSchema, model.ActivityResponseSchema, response);
  }

  /** A turn for a worker; events of kinds that this dialect does not have are left out. */
  orchestratorRequest(request: model.OrchestratorRequest): wire.OrchestratorRequest {
    const converted = this.#converter.convert(model.OrchestratorRequestSchema, wire.OrchestratorRequestSchema, request);
    converted.pastEvents = converted.pastEvents.filter(isKnown);
    converted.newEvents = converted.newEvents.filter(isKnown);
    return converted;
  }

  /** An activity for a worker. */
  activityRequest(request: model.ActivityRequest): wire.ActivityRequest {
    return this.#converter.convert(model.ActivityRequestSchema, wire.ActivityRequestSchema, request);
  }

  /** Events for a client; those of kinds that this dialect does not have are left out. */
  historyEvents(events: readonly model.HistoryEvent[]): wire.HistoryEvent[] {
    return events.map((event) => this.historyEvent(event)).filter(isKnown);
  }

  /** One event; of a kind that this dialect does not have, it has no event type. */
  historyEvent(event: model.HistoryEvent): wire.HistoryEvent {
    return this.#converter.convert(model.HistoryEventSchema, wire.HistoryEventSchema, event);
  }

  /** An instance as a client sees it. A status that this dialect does not have is shown as one that it has. */
  orchestrationState(state: model.OrchestrationState): wire.OrchestrationState {
    return this.#converter.convert(model.OrchestrationStateSchema, wire.OrchestrationStateSchema, state);
  }

  /** Any other message that both schemas have, in either direction. */
  convert<From extends DescMessage, To extends DescMessage>(
    from: From,
    to: To,
    message: MessageShape<From>,
  ): MessageShape<To> {
    return this.#converter.convert(from, to, message);
  }
}

function isKnown({ eventType }: wire.HistoryEvent): boolean {
  return eventType.case !== undefined;
}
