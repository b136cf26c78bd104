import { TaskRegistry } from "../../src/core/index.ts";
import { discardFiles, processFile, reserve, storeManifest } from "./activities.ts";
import { publish } from "./publish.ts";
import { writeManifest } from "./write-manifest.ts";

/** All code that this Worker's orchestrations run. */
export const registry: TaskRegistry = new TaskRegistry().add(
  publish,
  writeManifest,
  reserve,
  processFile,
  storeManifest,
  discardFiles,
);
