/**
 * A header that names a call: whoever sends a worker's answer again, since it cannot know whether it has arrived, sends it under
 * the same name.
 */
export const CALL_ID_HEADER = "perdura-call-id";

/** How many calls are remembered, the latest ones: a repeat follows within seconds. */
const MAX_REMEMBERED = 10_000;

/** A name is a UUID. */
const MAX_NAME_LENGTH = 64;

/**
 * Calls that have been carried out, by name. What has arrived is not done again: an answer without a completion token would be
 * taken for one to the work that was handed out next.
 */
export class RepeatedCalls {
  readonly #done = new Set<string>();

  /** Does the work, unless a call of the same name has done it. One that failed is done again. */
  once(header: Headers, work: () => void): void {
    const name = header.get(CALL_ID_HEADER);
    if (name !== null && this.#done.has(name)) return;
    work();
    if (name === null || name.length > MAX_NAME_LENGTH) return;
    this.#done.add(name);
    for (const oldest of this.#done) {
      if (this.#done.size <= MAX_REMEMBERED) break;
      this.#done.delete(oldest);
    }
  }
}
