/**
 * Bytes, message by message, against the code that a package of Dapr's was generated with. What travels in Dapr's dialect is the
 * model itself, so it is the model that is checked; fields that came after the package are left out.
 */
import { type DescField, type DescMessage, equals, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { file_dapr_orchestrator_service as dapr } from "../../../src/core/protocol/gen/dapr/orchestrator_service_pb.ts";
import { file_perdura_model_v1_history as model } from "../../../src/core/protocol/gen/perdura/model/v1/history_pb.ts";
import { file_perdura_wire_v1_task_hub_service as wire } from "../../../src/core/protocol/gen/perdura/wire/v1/task_hub_service_pb.ts";
import { type ForeignClass, knows, MessageMaker } from "./random-message.ts";

/** Runs the check with the classes of one package. */
export function daprBytesSuite(name: string, foreign: object): void {
  const classes = foreign as Record<string, ForeignClass>;

  /** What we send or take, with the message of theirs that it is. */
  const messages: DescMessage[] = [];
  for (const desc of [...wire.messages, ...model.messages, ...dapr.messages]) {
    if (classes[desc.name] !== undefined && !messages.some(({ name }) => name === desc.name)) messages.push(desc);
  }

  const isLater = (message: DescMessage, field: DescField): boolean => {
    const type = classes[message.name];
    if (message.typeName.startsWith("google.protobuf.")) return false;
    return type === undefined || !knows(type, field);
  };

  describe(`the messages of ${name}`, () => {
    it("are there in good number, with what the package of its time has", () => {
      expect(messages.length).toBeGreaterThan(60);
      const known = messages.flatMap((message) => message.fields.filter((field) => !isLater(message, field)));
      expect(known.length).toBeGreaterThan(150);
    });

    it.each(messages.map((desc) => [desc.name, desc] as const))("%s survives the way there and back", (name, desc) => {
      for (const message of new MessageMaker(isLater).all(desc)) {
        const theirs = classes[name]?.deserializeBinary(toBinary(desc, message));
        const back = fromBinary(desc, theirs?.serializeBinary() ?? new Uint8Array());
        expect(equals(desc, back, message), `${name}: ${JSON.stringify(theirs?.toObject())}`).toBe(true);
      }
    });
  });
}
