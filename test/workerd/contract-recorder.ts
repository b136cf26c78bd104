import { MemoryRecorder } from "../../src/testing/index.ts";

/** Tests and objects run in one isolate here, and share this. */
export const contractRecorder: MemoryRecorder = new MemoryRecorder();
