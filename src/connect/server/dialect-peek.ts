import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** What a completion says of the work that it answers. */
export interface PeekedAnswer {
  readonly instanceId: string;
  readonly taskId: number | undefined;
  readonly token: string | undefined;
}

/** Reads the fields that both dialects have in the same place: 1 instance id, 2 task id, and the token. */
export function peekAnswer(method: string, message: Uint8Array): PeekedAnswer {
  const isActivity = method === "CompleteActivityTask";
  const tokenField = isActivity ? 5 : 4;
  let instanceId = "";
  let taskId: number | undefined = isActivity ? 0 : undefined;
  let token: string | undefined;
  forEachField(message, (number, type, reader) => {
    if (number === 1 && type === WireType.LengthDelimited) instanceId = reader.string();
    else if (isActivity && number === 2 && type === WireType.Varint) taskId = reader.int32();
    else if (number === tokenField && type === WireType.LengthDelimited && method !== "StreamInstanceHistory")
      token = reader.string();
    else return false;
    return true;
  });
  return { instanceId, taskId, token: token === "" ? undefined : token };
}

/**
 * Says whether a message has what only Microsoft's dialect has there. Where both have the field, its wire type tells: a time
 * or a list where Dapr has a flag. A message without such fields is the same in both.
 */
export function isMicrosoftBody(method: string, message: Uint8Array): boolean {
  const rule = RULES[method];
  let isMicrosoft = false;
  if (rule === undefined) return false;
  forEachField(message, (number, type, reader) => {
    if (!rule(number, type, reader)) return false;
    isMicrosoft = true;
    return false;
  });
  return isMicrosoft;
}

type Rule = (field: number, type: WireType, reader: BinaryReader) => boolean;

const RULES: Readonly<Record<string, Rule>> = {
  // 1 to 3 limits, 10 capabilities (Dapr's up to v0.11 have both too, and set neither), 11 filters.
  GetWorkItems: (field) => (field >= 1 && field <= 3) || field === 10 || field === 11,
  // 10 is the time of the request; Dapr has a flag there.
  StartInstance: (field, type) => field === 10 && type === WireType.LengthDelimited,
  // 4 is a batch, where Dapr has a flag; 5 is a flag, where Dapr has a router.
  PurgeInstances: (field, type) =>
    (field === 4 && type === WireType.LengthDelimited) || (field === 5 && type === WireType.Varint),
};

/** Walks over a message's fields. `visit` returns true when it has read the value. Damaged bytes end the walk. */
function forEachField(
  message: Uint8Array,
  visit: (field: number, type: WireType, reader: BinaryReader) => boolean,
): void {
  const reader = new BinaryReader(message);
  try {
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (!visit(field, type, reader)) reader.skip(type, field);
    }
  } catch {
    // The handler that decodes it whole says what is wrong with it.
  }
}
