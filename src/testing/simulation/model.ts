import { BOOM, type Program, type Step, type Wait, type Word } from "./program.ts";

/** What clients did that explains how instances may have ended. */
export interface Facts {
  /** Somebody may have ended, replaced or cut into the run, or into one that its children's ids meet. */
  isDisturbed(instanceId: string): boolean;
  /** Somebody may have terminated it, or one above it. */
  isTerminated(instanceId: string): boolean;
  /** It goes on from another run: from a part of its history, or from what its last generation was given. */
  isCut(instanceId: string): boolean;
  /** The hub said that it had the event, before the client asked for the one with that later number. */
  wasAcknowledged(payload: string): boolean;
}

/** How a run ended. */
export interface Outcome {
  readonly instanceId: string;
  readonly status: string;
  readonly words: readonly Word[] | undefined;
  readonly customStatus: string | undefined;
  readonly failure: string | undefined;
}

/**
 * The reference: what a program may come to. Each step has one word, and it is told by the step alone, but for races, time
 * limits, and which event came first. Answers a complaint, or `undefined` when all is well.
 */
export function judge(
  programs: readonly Program[],
  program: Program,
  outcome: Outcome,
  facts: Facts,
): string | undefined {
  const { status, instanceId, words, failure } = outcome;
  switch (status) {
    case "TERMINATED":
      return facts.isTerminated(instanceId) ? undefined : "it was terminated, but nobody asked for that";
    case "FAILED":
      return program.fails && failure === BOOM ? undefined : `it failed with '${failure}', but its program does not`;
    case "COMPLETED":
      break;
    default:
      return `it ended as ${status}`;
  }
  if (program.fails) return "it completed, but its program fails";
  const judgement = new Judgement(programs, facts, instanceId);
  return (
    judgement.program(program, words ?? []) ??
    judgement.events(mayReorder(program) || facts.isCut(instanceId)) ??
    customStatusOf(program, outcome.customStatus)
  );
}

/** Where in the tree a program is judged. Several runs may want the same children below a child whose id is shared. */
type Place = "root" | "below" | "below a shared id";

class Judgement {
  readonly #programs: readonly Program[];
  readonly #facts: Facts;
  readonly #instanceId: string;
  readonly #payloads: string[] = [];

  constructor(programs: readonly Program[], facts: Facts, instanceId: string) {
    this.#programs = programs;
    this.#facts = facts;
    this.#instanceId = instanceId;
  }

  program(program: Program, words: readonly Word[], place: Place = "root"): string | undefined {
    const steps = Array.from({ length: program.renewals + 1 }, () => program.steps).flat();
    return this.#steps(steps, words, place);
  }

  #steps(steps: readonly Step[], words: readonly Word[], place: Place): string | undefined {
    if (steps.length !== words.length)
      return `it has ${words.length} words for ${steps.length} steps: ${JSON.stringify(words)}`;
    for (const [index, step] of steps.entries()) {
      const complaint = this.#step(step, words[index] ?? "", place);
      if (complaint !== undefined) return complaint;
    }
    return undefined;
  }

  #step(step: Step, word: Word, place: Place): string | undefined {
    const parts = typeof word === "string" ? [] : word.slice(1);
    switch (step.do) {
      case "all":
        if (word[0] !== "all" || parts.length !== step.waits.length) return odd(step, word);
        return first(step.waits, (wait, index) => this.#wait(wait, parts[index] ?? "", place));
      case "race": {
        const wait = step.waits[Number(parts[0])];
        return word[0] !== "race" || wait === undefined ? odd(step, word) : this.#wait(wait, parts[1] ?? "", place);
      }
      case "fork":
        if (word[0] !== "fork" || parts.length !== step.branches.length) return odd(step, word);
        return first(step.branches, (branch, index) => this.#steps(branch, parts[index] as readonly Word[], place));
      case "status":
        return word === "status" ? undefined : odd(step, word);
      case "send":
        return word === "sent" ? undefined : odd(step, word);
      case "guid":
        return word === "guid" ? undefined : odd(step, word);
      default:
        return this.#wait(step, word, place);
    }
  }

  #wait(wait: Wait, word: Word, place: Place): string | undefined {
    switch (wait.do) {
      case "activity": {
        if (wait.timeoutMs !== undefined && word === "activity!") return undefined;
        const expected = wait.fails < wait.attempts ? `did:${wait.key}` : "activity!";
        return word === expected ? undefined : odd(wait, word);
      }
      case "timer":
        return word === "timer" ? undefined : odd(wait, word);
      case "event": {
        if (word === "late") return wait.timeoutMs === undefined ? odd(wait, word) : undefined;
        const [kind, payload] = word;
        if (kind !== "event" || typeof payload !== "string") return odd(wait, word);
        if (payload.startsWith("sent:")) return undefined;
        // What a child's child took is the child's own affair.
        if (place === "root") this.#payloads.push(payload);
        const [instance, name] = payload.split("/");
        // A rerun has what the run that it was cut from had taken.
        const isCut = this.#facts.isCut(this.#instanceId);
        const isMeant =
          (place !== "root" || instance === this.#instanceId || isCut) &&
          name?.toUpperCase() === wait.name.toUpperCase();
        return isMeant ? undefined : `it took an event that was for another: ${payload}`;
      }
      case "child": {
        const program = this.#programs[wait.program];
        if (program === undefined) return odd(wait, word);
        if (word === "child!") {
          const may =
            program.fails ||
            wait.instanceId !== undefined ||
            place === "below a shared id" ||
            this.#facts.isDisturbed(this.#instanceId);
          return may ? undefined : odd(wait, word);
        }
        const below = wait.instanceId === undefined && place !== "below a shared id" ? "below" : "below a shared id";
        return word[0] === "child" ? this.program(program, word.slice(1) as readonly Word[], below) : odd(wait, word);
      }
    }
  }

  /** No event is taken twice, and those of one client in the order in which it knew them to be accepted. */
  events(mayBeReordered: boolean): string | undefined {
    const places = new Map<string, number>();
    const isCut = this.#facts.isCut(this.#instanceId);
    for (const [place, payload] of this.#payloads.entries()) {
      if (places.has(payload) && !isCut) return `it took the event '${payload}' twice`;
      places.set(payload, place);
    }
    if (mayBeReordered) return undefined;
    for (const [earlier, place] of places) {
      const [, name, client, n] = earlier.split("/");
      for (const [later, laterPlace] of places) {
        const [, laterName, laterClient, laterN] = later.split("/");
        if (client === undefined || client !== laterClient || name !== laterName || Number(n) >= Number(laterN))
          continue;
        if (laterPlace < place && this.#facts.wasAcknowledged(earlier)) return `it took '${later}' before '${earlier}'`;
      }
    }
    return undefined;
  }
}

/** Side by side, the order of words is not the order of waits. */
function mayReorder({ steps }: Program): boolean {
  return steps.some((step) => step.do === "fork");
}

function customStatusOf({ steps }: Program, customStatus: string | undefined): string | undefined {
  const last = steps.findLast((step) => step.do === "status");
  if (last?.do !== "status" || customStatus === JSON.stringify(last.text)) return undefined;
  return `its custom status is ${customStatus}, but should be '${last.text}'`;
}

function odd(step: Step, word: Word): string {
  return `'${JSON.stringify(word)}' is no word of ${JSON.stringify(step)}`;
}

function first<T>(list: readonly T[], look: (item: T, index: number) => string | undefined): string | undefined {
  for (const [index, item] of list.entries()) {
    const complaint = look(item, index);
    if (complaint !== undefined) return complaint;
  }
  return undefined;
}
