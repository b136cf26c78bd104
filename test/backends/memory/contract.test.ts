import { describe, it } from "vitest";
import { backendContract } from "../../../src/testing/index.ts";
import { memorySetup } from "./setup.ts";

describe("the memory backend", () => {
  backendContract({ describe, it }, memorySetup);
});
