import { describe, it } from "vitest";
import { backendContract } from "../../../src/testing/index.ts";
import { indexedDbSetup } from "./setup.ts";

describe("the IndexedDB backend", () => {
  backendContract({ describe, it }, indexedDbSetup);
});
