import { sha1 } from "./sha1.ts";

/**
 * Ids and random numbers that come out the same on every replay of a generation.
 *
 * **The algorithms are part of the history format**: an orchestration that is replayed by a later release must see the values
 * that its history was written with. They never change; a better one would be a new engine flag.
 *
 * - A GUID is a version 5 UUID (RFC 9562: SHA-1 over namespace and name) of the name `<execution id>:<purpose>:<counter>`.
 * - Random numbers are those of sfc32, seeded with the first four words of SHA-1 of `<execution id>:random`, its first 12
 *   outputs discarded; each number is an output divided by 2^32.
 */
export class DeterministicSource {
  readonly #executionId: string;
  #guids = 0;
  #random: (() => number) | undefined;

  /** @param executionId the id of the generation: two generations never share their values. */
  constructor(executionId: string) {
    this.#executionId = executionId;
  }

  /** The next GUID: 36 characters, lower case. */
  newGuid(): string {
    return uuidOf(`${this.#executionId}:guid:${this.#guids++}`);
  }

  /** The GUID for a numbered use of the engine's own; it leaves the user's sequence alone. */
  guidFor(purpose: string, n: number): string {
    return uuidOf(`${this.#executionId}:${purpose}:${n}`);
  }

  /** The next random number, in [0, 1). */
  random(): number {
    this.#random ??= sfc32(`${this.#executionId}:random`);
    return this.#random();
  }
}

/** The namespace of all names here, as 16 bytes in characters: SHA-1 takes it before the name. */
const NAMESPACE = "perdura.model.v1";

function uuidOf(name: string): string {
  const [a, b, c, d] = sha1(NAMESPACE + name);
  const version = (b & 0xffff0fff) | 0x5000;
  const variant = (c & 0x3fffffff) | 0x80000000;
  const hex = [a, version, variant, d].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Chris Doty-Humphrey's small fast counting generator. */
function sfc32(seed: string): () => number {
  let [a, b, c, counter] = sha1(NAMESPACE + seed);
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let n = 0; n < 12; n++) next();
  return next;
}
