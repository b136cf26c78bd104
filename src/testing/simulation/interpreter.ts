import type { OrchestrationContext, OrchestratorFunction } from "../../core/orchestration/context.ts";
import type { EventResult } from "../../core/orchestration/external-events.ts";
import type { Task } from "../../core/orchestration/task.ts";
import { TaskFailedError } from "../../core/orchestration/task-failed-error.ts";
import { BOOM, type Program, type ProgramInput, programName, type Step, type Wait, type Word } from "./program.ts";

/** Concurrent branches, for a style that can run them. */
class Fork {
  readonly branches: readonly Body[];

  constructor(branches: readonly Body[]) {
    this.branches = branches;
  }
}

type Body = Generator<Task<unknown> | Fork, unknown, unknown>;

/** Makes the orchestrator that runs a program, in the program's style. */
export function interpret(program: Program): OrchestratorFunction<ProgramInput, readonly Word[]> {
  switch (program.style) {
    case "async":
      return async (ctx, input) => driveAsync(new Interpreter(ctx, program, input).run()) as Promise<readonly Word[]>;
    case "generator":
      return function* (ctx, input) {
        return (yield* new Interpreter(ctx, program, input).run() as Generator<
          Task<unknown>,
          unknown
        >) as readonly Word[];
      };
    case "async generator":
      return async function* (ctx, input) {
        const body = new Interpreter(ctx, program, input).run();
        for (let step = body.next(); ; ) {
          if (step.done === true) return step.value as readonly Word[];
          try {
            step = body.next(yield step.value);
          } catch (error) {
            if (!(error instanceof TaskFailedError)) throw error;
            step = body.throw(error);
          }
        }
      };
  }
}

async function driveAsync(body: Body): Promise<unknown> {
  for (let step = body.next(); ; ) {
    if (step.done === true) return step.value;
    const { value } = step;
    let answer: { readonly ok: unknown } | { readonly error: unknown };
    try {
      answer = { ok: value instanceof Fork ? await Promise.all(value.branches.map(driveAsync)) : await value };
    } catch (error) {
      answer = { error };
    }
    step = "error" in answer ? body.throw(answer.error) : body.next(answer.ok);
  }
}

class Interpreter {
  readonly #ctx: OrchestrationContext;
  readonly #program: Program;
  readonly #input: ProgramInput;
  #lastTime = 0;

  constructor(ctx: OrchestrationContext, program: Program, input: ProgramInput) {
    this.#ctx = ctx;
    this.#program = program;
    this.#input = input;
  }

  *run(): Body {
    const words = [...this.#input.words, ...((yield* this.#steps(this.#program.steps)) as Word[])];
    const { renewal } = this.#input;
    if (renewal < this.#program.renewals) {
      this.#ctx.continueAsNew({ words, renewal: renewal + 1 }, { keepEvents: this.#program.keepEvents });
      return [];
    }
    if (this.#program.fails) throw new Error(BOOM);
    return words;
  }

  *#steps(steps: readonly Step[]): Body {
    const words: Word[] = [];
    for (const step of steps) {
      words.push((yield* this.#step(step)) as Word);
      const now = this.#ctx.currentTime.getTime();
      if (now < this.#lastTime) words.push("time went back");
      this.#lastTime = now;
    }
    return words;
  }

  *#step(step: Step): Body {
    switch (step.do) {
      case "all": {
        const tasks = step.waits.map((wait) => this.#begin(wait));
        const outcomes = (yield this.#ctx.whenAllSettled(tasks)) as readonly PromiseSettledResult<unknown>[];
        return ["all", ...outcomes.map((outcome, index) => wordOf(step.waits[index], outcome))];
      }
      case "race": {
        const tasks = step.waits.map((wait) => this.#begin(wait));
        const winner = (yield this.#ctx.whenAny(tasks)) as Task<unknown>;
        const index = tasks.indexOf(winner);
        if (step.cancels) for (const task of tasks) if (task !== winner) task.cancel();
        return ["race", String(index), wordOf(step.waits[index], outcomeOf(winner))];
      }
      case "fork": {
        const bodies = step.branches.map((branch) => this.#steps(branch));
        if (this.#program.style === "async") {
          const branches = (yield new Fork(bodies)) as Word[][];
          return ["fork", ...branches];
        }
        const branches: Word[][] = [];
        for (const body of bodies) branches.push((yield* body) as Word[]);
        return ["fork", ...branches];
      }
      case "status":
        this.#ctx.setCustomStatus(step.text);
        return "status";
      case "send":
        this.#ctx.sendEvent(step.to, step.name, `sent:${this.#ctx.newGuid()}`);
        return "sent";
      case "guid":
        // Its words differ from run to run and must not differ from replay to replay: an activity carries them to history.
        return (yield this.#ctx.callActivity<string>("act0", {
          key: `guid:${this.#ctx.newGuid()}:${this.#ctx.random()}`,
          fails: 0,
          takesMs: 0,
        }))
          ? "guid"
          : "?";
      default: {
        const task = this.#begin(step);
        try {
          return wordOf(step, { status: "fulfilled", value: yield task });
        } catch (reason) {
          if (!(reason instanceof TaskFailedError)) throw reason;
          return wordOf(step, { status: "rejected", reason });
        }
      }
    }
  }

  #begin(wait: Wait): Task<unknown> {
    const ctx = this.#ctx;
    switch (wait.do) {
      case "activity": {
        const { name, key, fails, takesMs, attempts, timeoutMs } = wait;
        return ctx.callActivity(
          name,
          { key, fails, takesMs },
          {
            ...(attempts > 1 ? { retry: { maxAttempts: attempts, firstDelay: 500, backoff: 2 } } : {}),
            ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
          },
        );
      }
      case "timer":
        return ctx.createTimer(wait.ms);
      case "event":
        return wait.timeoutMs === undefined
          ? ctx.waitForExternalEvent(wait.name)
          : ctx.waitForExternalEvent(wait.name, { timeout: wait.timeoutMs });
      case "child":
        return ctx.callSubOrchestrator(
          programName(wait.program),
          { words: [], renewal: 0 } satisfies ProgramInput,
          wait.instanceId === undefined ? {} : { instanceId: wait.instanceId },
        );
    }
  }
}

function outcomeOf(task: Task<unknown>): PromiseSettledResult<unknown> {
  return task.isFailed ? { status: "rejected", reason: task.error } : { status: "fulfilled", value: task.result };
}

/** The word of a wait that has ended. */
function wordOf(wait: Wait | undefined, outcome: PromiseSettledResult<unknown>): Word {
  if (outcome.status === "rejected") return `${wait?.do}!`;
  const { value } = outcome;
  switch (wait?.do) {
    case "timer":
      return "timer";
    case "event": {
      if (wait.timeoutMs === undefined) return ["event", String(value)];
      const result = value as EventResult<unknown>;
      return result.timedOut ? "late" : ["event", String(result.value)];
    }
    case "child":
      return ["child", ...(value as readonly Word[])];
    default:
      return String(value);
  }
}
