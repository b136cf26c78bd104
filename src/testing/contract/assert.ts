/** Assertions of the suite's own, so that it runs under any test framework. */

/** A promise that the backend did not keep. */
export class ContractViolation extends Error {
  override readonly name = "ContractViolation";
}

/** Fails with the message unless the condition holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (condition !== true) throw new ContractViolation(message);
}

/** Fails unless both values have the same content: plain data, dates, bytes and bigints are compared by value. */
export function assertEqual(actual: unknown, expected: unknown, what: string): void {
  const [got, wanted] = [textOf(actual), textOf(expected)];
  if (got !== wanted) throw new ContractViolation(`${what}: expected ${wanted}, got ${got}`);
}

/** Fails unless the text contains the part. */
export function assertContains(text: string | undefined, part: string, what: string): void {
  assert(text?.includes(part) === true, `${what}: expected a text with '${part}', got ${textOf(text)}`);
}

/** Fails unless the value is there. */
export function assertDefined<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new ContractViolation(`${what} is not there`);
  return value;
}

/**
 * Fails unless the promise rejects with an error of that code, and with a message that tells the reader something. Returns
 * the error. Codes, not classes, are compared, since an error may have crossed a process border.
 */
export async function assertRejects(promise: Promise<unknown>, code: string, what: string): Promise<Error> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    const { code: got, message } = error as { readonly code?: unknown; readonly message?: unknown };
    if (got !== code) {
      throw new ContractViolation(`${what}: expected the error '${code}', got ${String(got)}: ${String(message)}`, {
        cause: error,
      });
    }
    assert(typeof message === "string" && message.length > 10, `${what}: the error's message says nothing`);
    return error as Error;
  }
  throw new ContractViolation(`${what}: expected the error '${code}', got ${textOf(value)}`);
}

/** A text that two values share when their content is the same. */
function textOf(value: unknown): string {
  return (
    JSON.stringify(value, (_key, part: unknown) => {
      if (typeof part === "bigint") return `${part}n`;
      if (part instanceof Uint8Array) return Array.from(part);
      if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
      return Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1)));
    }) ?? "undefined"
  );
}
