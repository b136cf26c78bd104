/** The contract suite for a browser that Vitest cannot drive: a page that lists its tests and runs them one by one, as asked. */
import { backendContract } from "../../../src/testing/index.ts";
import { indexedDbSetup } from "../inside/setup.ts";

const tests: (() => Promise<void>)[] = [];
backendContract(
  {
    describe: (_name, body) => body(),
    it: (_name, run) => void tests.push(run),
  },
  indexedDbSetup,
);

const conformance = {
  count: tests.length,
  /** Runs the n-th test, in the order of the suite. Gives what went wrong, or the empty text. */
  async run(index: number): Promise<string> {
    try {
      await tests[index]?.();
      return index < tests.length ? "" : `there are only ${tests.length} tests`;
    } catch (error) {
      return error instanceof Error ? `${error.name}: ${error.message}\n${error.stack ?? ""}` : String(error);
    }
  },
};

declare global {
  interface Window {
    conformance: typeof conformance;
  }
}

window.conformance = conformance;
