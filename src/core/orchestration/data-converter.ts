import { PayloadNotSerializableError } from "../errors.ts";
import { checkPayload } from "../limits.ts";

/**
 * Turns values into payload text and back. It is synchronous, and runs when a value is passed, so that changing the value
 * afterwards changes nothing that was asked for. `undefined` stands for "no payload" on both sides.
 *
 * Client and worker of a hub must use converters that understand each other.
 */
export interface DataConverter {
  /** The text of a value; `undefined` for no payload. May throw: the caller sees a {@link PayloadNotSerializableError}. */
  toText(value: unknown): string | undefined;
  /** The value of a text. May throw, as above. */
  fromText(text: string | undefined): unknown;
}

/** JSON. `undefined` is no payload; `null` is the text `null`; no text, and the empty text, are `undefined`. */
export const jsonDataConverter: DataConverter = {
  toText: (value) => JSON.stringify(value),
  fromText: (text) => (text === undefined || text === "" ? undefined : JSON.parse(text)),
};

/** A converter and a size limit, applied together wherever a payload enters or leaves the user's code. */
export class PayloadGate {
  readonly #converter: DataConverter;
  readonly #maxBytes: number;

  /** @param maxBytes the largest text that passes, in UTF-8 bytes. */
  constructor(converter: DataConverter, maxBytes: number) {
    this.#converter = converter;
    this.#maxBytes = maxBytes;
  }

  /**
   * @param what how messages name the value, say `"the input of activity 'charge'"`.
   * @throws {@link PayloadNotSerializableError}, {@link PayloadTooLargeError}.
   */
  toText(value: unknown, what: string): string | undefined {
    if (value === undefined) return undefined;
    const text = this.#convert(value, what);
    if (text === undefined) return undefined;
    checkPayload(what, text, this.#maxBytes);
    return text;
  }

  /** @throws {@link PayloadNotSerializableError}. */
  fromText(text: string | undefined, what: string): unknown {
    try {
      return this.#converter.fromText(text);
    } catch (cause) {
      throw new PayloadNotSerializableError(what, { cause });
    }
  }

  #convert(value: unknown, what: string): string | undefined {
    let text: unknown;
    try {
      text = this.#converter.toText(value);
    } catch (cause) {
      throw new PayloadNotSerializableError(what, { cause });
    }
    // JSON.stringify answers undefined for functions and symbols: those would silently become "no payload".
    if (typeof text === "string") return text;
    throw new PayloadNotSerializableError(what);
  }
}
