import { InstanceNotFoundError, PerduraError } from "../../core/errors.ts";
import { purgeRecursively } from "../../core/hub/purge.ts";
import type { TaskHubClient } from "../../core/hub/task-hub-client.ts";
import { identityOfEvent } from "../../core/orchestration/recorded-action.ts";
import type { Host } from "./host.ts";
import type { Command } from "./plan.ts";
import { type ProgramInput, programName } from "./program.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

/** How long a client waits for an instance's end, in ms. */
const PATIENCE_MS = 30_000;

/** How often a client asks again when it does not know what became of a command with an idempotency key. */
const MAX_TRIES = 4;

/** Does one command after the other, and remembers what it was told. */
export class Client {
  readonly name: string;
  readonly #world: World;
  readonly #commands: readonly Command[];
  readonly #acknowledged: Set<string>;
  #next = 0;
  #tries = 0;

  /** @param acknowledged payloads of the events that the hub said it has; shared by all clients. */
  constructor(name: string, world: World, commands: readonly Command[], acknowledged: Set<string>) {
    this.name = name;
    this.#world = world;
    this.#commands = commands;
    this.#acknowledged = acknowledged;
  }

  /** Nothing is left to do. */
  get isDone(): boolean {
    return this.#next >= this.#commands.length;
  }

  /** Goes on with the next command. */
  go(): void {
    const command = this.#commands[this.#next];
    if (command === undefined) return;
    this.#world.loop.after(undefined, command.afterMs, `lets ${this.name} ${wordsOf(command)}`, () =>
      this.#do(command),
    );
  }

  #do(command: Command): void {
    const host = this.#world.hostFor("instance" in command ? command.instance : "r0");
    if (host === undefined) {
      this.#world.loop.after(undefined, 500, `lets ${this.name} look for a process again`, () => this.#do(command));
      return;
    }
    void host.call(() => this.#carryOut(command, host)).then((answer) => this.#heard(command, answer));
  }

  #heard(command: Command, answer: { readonly value: unknown } | { readonly error: unknown } | "unknown"): void {
    const { loop, trace } = this.#world;
    const isUnsure =
      answer === "unknown" || ("error" in answer && (answer.error as { code?: unknown }).code === "storage");
    if (answer === "unknown") trace.add(() => `      ${this.name} does not know whether it could ${wordsOf(command)}`);
    else if ("error" in answer) {
      trace.add(() => `      ${this.name} could not ${wordsOf(command)}: ${String(answer.error)}`);
      if (!(answer.error instanceof PerduraError)) {
        this.#world.report(
          new Violation("every error is typed", `${wordsOf(command)}: ${String((answer.error as Error)?.stack)}`),
        );
      }
    } else {
      trace.add(() => `      ${this.name} did ${wordsOf(command)}`);
      this.#checkAcknowledged(command);
    }
    const hasKey = "key" in command && command.key !== undefined;
    const isForgetful = hasKey && !isUnsure && this.#world.faults.happens("client says it again");
    if (hasKey && (isUnsure || isForgetful) && ++this.#tries < MAX_TRIES) {
      const afterMs = isForgetful ? this.#world.faults.random.int(0, 5000) : 200;
      loop.after(undefined, afterMs, `lets ${this.name} ${wordsOf(command)} once more`, () => this.#do(command));
      return;
    }
    this.#tries = 0;
    this.#next++;
    this.go();
  }

  /** What the hub says it has, is durable. */
  #checkAcknowledged(command: Command): void {
    if (command.do !== "raise") return;
    this.#acknowledged.add(command.payload);
    const disk = this.#world.diskOf(command.instance);
    if (disk?.accepted.has(JSON.stringify(command.payload)) !== true) {
      this.#world.report(
        new Violation("what is acknowledged is durable", `the event '${command.payload}' was accepted and is nowhere`),
      );
    }
  }

  #carryOut(command: Command, host: Host): Promise<unknown> {
    const { client } = host.hub;
    switch (command.do) {
      case "start": {
        const { instance: instanceId, key, delayMs, program } = command;
        const input: ProgramInput = { words: [], renewal: 0 };
        return client.scheduleNewOrchestration(programName(program), input, {
          instanceId,
          ...(key === undefined ? {} : { idempotencyKey: key }),
          ...(delayMs === undefined ? {} : { startAt: new Date(host.now() + delayMs) }),
        });
      }
      case "raise": {
        const { instance, name, payload, key } = command;
        return client.raiseEvent(instance, name, payload, key === undefined ? {} : { idempotencyKey: key });
      }
      case "suspend":
        return client.suspendOrchestration(command.instance, "for a while");
      case "resume":
        return client.resumeOrchestration(command.instance);
      case "terminate":
        return client.terminateOrchestration(command.instance, { recursive: command.recursive, output: "enough" });
      case "purge":
        return this.#purge(command.instance, command.force);
      case "restart":
        return client.restartOrchestration(
          command.instance,
          command.newInstance === undefined || this.#world.plan.shape === "objects"
            ? {}
            : { newInstanceId: command.newInstance },
        );
      case "rewind":
        return client.rewindOrchestration(command.instance, "try again");
      case "rerun":
        return this.#rerun(command.instance, command.newInstance, command.nth, host);
      case "query":
        return client.queryInstances({ fetchPayloads: true });
      case "history":
        return client.getInstanceHistory(command.instance);
      case "wait":
        return this.#wait(client, command.instance);
      case "ask":
        return client.fetchOrchestrationMetadata(command.instance);
    }
  }

  /** As a router over many partitions does it: each instance is asked where it lives. */
  #purge(instanceId: string, force: boolean): Promise<number> {
    const at = (id: string): Host => {
      const host = this.#world.hostFor(id);
      if (host === undefined) throw new InstanceNotFoundError(id);
      return host;
    };
    return purgeRecursively(
      {
        childrenOf: async (id, options) => at(id).partition.childrenOf(id, options),
        purgeOne: async (id, options) => at(id).partition.purgeOne(id, options),
      },
      instanceId,
      { force },
    );
  }

  async #rerun(sourceInstanceId: string, newInstanceId: string, nth: number, host: Host): Promise<void> {
    const events = await host.partition.getInstanceHistory(sourceInstanceId);
    const actions = events.filter((event) => identityOfEvent(event) !== undefined);
    const eventId = actions[nth % Math.max(1, actions.length)]?.eventId ?? 0;
    const run = await host.partition.cut({ sourceInstanceId, eventId }, newInstanceId);
    const target = this.#world.hostFor(newInstanceId);
    if (target !== undefined) await target.partition.adopt(run);
  }

  async #wait(client: TaskHubClient, instanceId: string): Promise<void> {
    const controller = new AbortController();
    const cancel = this.#world.loop.after(undefined, PATIENCE_MS, `lets ${this.name} lose patience`, () =>
      controller.abort(),
    );
    try {
      await client.waitForOrchestrationCompletion(instanceId, { signal: controller.signal });
    } finally {
      cancel();
    }
  }
}

/** A command in words. */
function wordsOf(command: Command): string {
  switch (command.do) {
    case "query":
      return "list all instances";
    case "start":
      return `start '${command.instance}' as ${programName(command.program)}${command.key === undefined ? "" : ` with key ${command.key}`}`;
    case "raise":
      return `raise '${command.name}' (${command.payload}) for '${command.instance}'${command.key === undefined ? "" : ` with key ${command.key}`}`;
    case "ask":
      return `ask for the state of '${command.instance}'`;
    case "history":
      return `read the history of '${command.instance}'`;
    case "wait":
      return `wait for the end of '${command.instance}'`;
    case "rerun":
      return `rerun '${command.instance}' as '${command.newInstance}'`;
    default:
      return `${command.do} '${command.instance}'`;
  }
}
