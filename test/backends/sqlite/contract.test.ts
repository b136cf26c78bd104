import { describe, it } from "vitest";
import { backendContract } from "../../../src/testing/index.ts";
import { sqliteSetup } from "./setup.ts";

describe("the SQLite backend", () => {
  backendContract({ describe, it }, sqliteSetup);
});
