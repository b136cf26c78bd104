import type { ActivityContext } from "../../core/orchestration/activity-context.ts";
import type { Host } from "./host.ts";
import { Violation } from "./violation.ts";

/** What a program tells an activity. */
export interface SimulatedActivityInput {
  readonly key: string;
  readonly fails: number;
  readonly takesMs: number;
}

/** One attempt: its outcome depends on its input and its number only. It may never end, or end its process. */
export function runActivity(host: Host, ctx: ActivityContext, input: SimulatedActivityInput): Promise<string> {
  const { faults, loop } = host.world;
  checkRecorded(host, ctx);
  if (faults.happens("activity kills its host")) {
    loop.post(undefined, `lets activity ${input.key} kill ${host.name}`, () => host.world.crash(host));
    return new Promise(() => undefined);
  }
  if (faults.happens("activity never answers")) return new Promise(() => undefined);
  return new Promise((resolve, reject) => {
    const end = (): void => {
      if (ctx.attempt <= input.fails) reject(new Error(`attempt ${ctx.attempt} of ${input.key} fails`));
      else resolve(`did:${input.key}`);
    };
    loop.after(host, input.takesMs, `ends activity ${input.key} of '${ctx.instanceId}'`, end);
  });
}

/** Before an activity begins, a history that asks for it is durable. */
function checkRecorded({ disk, world }: Host, { instanceId, taskId, taskExecutionId }: ActivityContext): void {
  // A purged, replaced or renewed instance leaves attempts behind that were asked for in time and begin late.
  if (disk.damaged.has(instanceId) || disk.recorded.has(taskExecutionId)) return;
  world.report(
    new Violation(
      "nothing leaves before its commit",
      `activity ${taskId} of '${instanceId}' began before it was recorded`,
    ),
  );
}
