import type { ActivityReference } from "../../core/orchestration/context.ts";
import { defineActivity } from "../../core/orchestration/references.ts";
import type { AnyTaskReference } from "../../core/orchestration/registry.ts";
import { NonRetriableError } from "../../core/orchestration/task-failed-error.ts";
import type { ContractRecorder } from "./recorder.ts";

/** Names of the activities, as orchestrators call them. */
export const ACTIVITY = {
  echo: "contract.echo",
  plusOne: "contract.plusOne",
  hello: "contract.hello",
  fail: "contract.fail",
  failFinally: "contract.failFinally",
  failUntil: "contract.failUntil",
  slow: "contract.slow",
  text: "contract.text",
  who: "contract.who",
  failOnce: "contract.failOnce",
  late: "contract.lateActivity",
} as const;

/** What the activities need of their surroundings. */
export interface ActivityEnvironment {
  readonly recorder: ContractRecorder;
  /** Sleeps in the time of the hub. */
  readonly sleep: (ms: number) => Promise<void>;
}

/** The activities of the suite. Each notes its run under its instance's id. */
export function contractActivities({ recorder, sleep }: ActivityEnvironment): readonly AnyTaskReference[] {
  return [
    defineActivity(ACTIVITY.echo, async (ctx, input: unknown) => {
      await recorder.note(ctx.instanceId, `echo ${JSON.stringify(input)}`);
      return input;
    }),
    defineActivity(ACTIVITY.plusOne, async (ctx, input: number) => {
      await recorder.note(ctx.instanceId, `plusOne ${input}`);
      return input + 1;
    }),
    defineActivity(ACTIVITY.hello, (_ctx, name: string) => `Hello, ${name}!`),
    defineActivity(ACTIVITY.fail, async (ctx, message: string) => {
      await recorder.note(ctx.instanceId, `fail ${ctx.attempt} ${ctx.taskExecutionId}`);
      throw new RangeError(message, { cause: new TypeError(`the cause of ${message}`) });
    }),
    defineActivity(ACTIVITY.failFinally, async (ctx, message: string) => {
      await recorder.note(ctx.instanceId, `failFinally ${ctx.attempt}`);
      throw new NonRetriableError(message);
    }),
    defineActivity(ACTIVITY.failUntil, async (ctx, attempt: number) => {
      await recorder.note(ctx.instanceId, `failUntil ${ctx.attempt}`);
      if (ctx.attempt < attempt) throw new Error(`attempt ${ctx.attempt} fails`);
      return ctx.attempt;
    }),
    defineActivity(ACTIVITY.failOnce, async (ctx) => {
      const failures = (await recorder.entries(ctx.instanceId)).filter((entry) => entry === "failOnce").length;
      await recorder.note(ctx.instanceId, "failOnce");
      if (failures === 0) throw new Error("the first time fails");
      return { failures };
    }),
    defineActivity(ACTIVITY.slow, async (ctx, { ms, value }: { ms: number; value: unknown }) => {
      await recorder.note(ctx.instanceId, `slow begins ${JSON.stringify(value)}`);
      await sleep(ms);
      await recorder.note(ctx.instanceId, `slow ends ${JSON.stringify(value)}${ctx.signal.aborted ? " unheard" : ""}`);
      return value;
    }),
    defineActivity(ACTIVITY.text, (_ctx, length: number) => "x".repeat(length)),
    defineActivity(ACTIVITY.who, (ctx) => ({
      taskId: ctx.taskId,
      attempt: ctx.attempt,
      taskExecutionId: ctx.taskExecutionId,
      isOfInstance: ctx.instanceId !== "",
    })),
  ];
}

/** The activity that arrives later than its calls. */
export function lateActivity({ recorder }: Pick<ActivityEnvironment, "recorder">): ActivityReference<string, string> {
  return defineActivity(ACTIVITY.late, async (ctx, input: string) => {
    await recorder.note(ctx.instanceId, "late");
    return `late ${input}`;
  });
}
