/**
 * Bytes, message by message, against the code that Microsoft's package was generated with: it drops what it does not know, so
 * that what comes back whole was known to it under the same number and type.
 */
import { type DescMessage, equals, fromBinary, toBinary } from "@bufbuild/protobuf";
import foreign from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import { describe, expect, it } from "vitest";
import { MicrosoftCodec } from "../../src/connect/protocol/microsoft-codec.ts";
import * as wire from "../../src/core/protocol/gen/microsoft/orchestrator_service_pb.ts";
import * as model from "../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { type ForeignClass, MessageMaker } from "./support/random-message.ts";

const classes = foreign as unknown as Record<string, ForeignClass>;
const messages = wire.file_microsoft_orchestrator_service.messages;

describe("Microsoft's messages", () => {
  it("are all known to the package", () => {
    expect(messages.length).toBeGreaterThan(110);
    expect(messages.filter(({ name }) => classes[name] === undefined).map(({ name }) => name)).toEqual([]);
  });

  it.each(messages.map((desc) => [desc.name, desc] as const))("%s survives the way there and back", (name, desc) => {
    for (const message of new MessageMaker().all(desc)) {
      const theirs = classes[name]?.deserializeBinary(toBinary(desc, message));
      const back = fromBinary(desc, theirs?.serializeBinary() ?? new Uint8Array());
      expect(equals(desc, back, message), `${name}: ${JSON.stringify(theirs?.toObject())}`).toBe(true);
    }
  });

  /** What travels between worker and engine: the model has all of it. */
  const pairs: readonly (readonly [string, DescMessage, DescMessage])[] = [
    ["OrchestratorRequest", wire.OrchestratorRequestSchema, model.OrchestratorRequestSchema],
    ["OrchestratorResponse", wire.OrchestratorResponseSchema, model.OrchestratorResponseSchema],
    ["ActivityRequest", wire.ActivityRequestSchema, model.ActivityRequestSchema],
    ["ActivityResponse", wire.ActivityResponseSchema, model.ActivityResponseSchema],
    ["HistoryEvent", wire.HistoryEventSchema, model.HistoryEventSchema],
    ["OrchestratorAction", wire.OrchestratorActionSchema, model.OrchestratorActionSchema],
    ["OrchestrationState", wire.OrchestrationStateSchema, model.OrchestrationStateSchema],
  ];

  it.each(pairs)("%s becomes the model's and comes back the same", (_, theirs, ours) => {
    const codec = new MicrosoftCodec();
    for (const message of new MessageMaker().all(theirs)) {
      const inModel = codec.convert(theirs, ours, message);
      // By way of bytes: what the engine keeps is the model's encoding.
      const kept = fromBinary(ours, toBinary(ours, inModel));
      expect(equals(theirs, codec.convert(ours, theirs, kept), message)).toBe(true);
    }
  });
});
