import { PayloadNotSerializableError, PayloadTooLargeError } from "../errors.ts";

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

/** The largest payload that is accepted unless an option says otherwise: 4 MiB of UTF-8. */
export const DEFAULT_MAX_PAYLOAD_BYTES: number = 4 * 1024 * 1024;

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
    const bytes = utf8LengthAbove(text, this.#maxBytes);
    if (bytes > this.#maxBytes) throw new PayloadTooLargeError(what, bytes, this.#maxBytes);
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

/** The UTF-8 length of a text, or 0 where it surely is not above the limit: encoding every payload twice would cost. */
function utf8LengthAbove(text: string, limit: number): number {
  if (text.length * 3 <= limit) return 0;
  return new TextEncoder().encode(text).length;
}
