/** Types: each part against the types of its own host, by project references (tsconfig.json). */
import { rmSync } from "node:fs";
import { run } from "./run.ts";

/** Compiles a project and what it references into a fresh dist, so that nothing of a deleted file stays behind. */
export async function build(project: string): Promise<string> {
  rmSync("dist", { recursive: true, force: true });
  return run("tsc", ["--build", project, "--pretty", "false"]);
}

export async function checkTypes(): Promise<string> {
  await build("tsconfig.json");
  return "each part with the types of its host; dist is built";
}
