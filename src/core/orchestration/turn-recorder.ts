import { type Divergence, NonDeterminismError } from "../errors.ts";
import type { OrchestratorAction } from "../protocol/gen/perdura/model/v1/history_pb.ts";
import { type ActionIdentity, describeAction } from "./recorded-action.ts";

/** An action as history records it, with the index of its event within the generation. */
export interface RecordedAction extends ActionIdentity {
  readonly eventNumber: number;
}

interface AskedAction {
  readonly identity: ActionIdentity;
  readonly build: () => OrchestratorAction;
  /** Its result was in history before it was asked for: it is not asked for again, and may be recorded in any turn. */
  readonly withheld: boolean;
}

/**
 * What the code asked for since the last turn that took actions. In replay it is compared with what the turn recorded; in a
 * live turn it becomes the answer. While an instance is suspended its actions stay here.
 */
export class TurnRecorder {
  #asked: AskedAction[] = [];

  /**
   * Notes an action. Ids rise from call to call, so that the list is in id order.
   *
   * @param build makes the action: only a live turn needs it, a replay compares identities.
   */
  record(identity: ActionIdentity, build: () => OrchestratorAction, withheld: boolean): void {
    this.#asked.push({ identity, build, withheld });
  }

  /** Hands out the actions of a live turn, in id order. */
  take(): readonly OrchestratorAction[] {
    const actions = this.#asked.filter(({ withheld }) => !withheld).map(({ build }) => build());
    this.#asked = this.#asked.filter(({ withheld }) => withheld);
    return actions;
  }

  /**
   * Compares a recorded turn with what the code asked for in it, and forgets what matched. The order in which a turn records
   * its actions does not matter; their ids do.
   *
   * @param completion the completion that the code came to, when it did.
   * @param suspended actions may then stay unrecorded: they are carried to the turn of the resume.
   * @param turnEnd number of the event after the turn.
   * @returns the error at the first difference, or `undefined`.
   */
  compare(
    recorded: readonly RecordedAction[],
    completion: ActionIdentity | undefined,
    suspended: boolean,
    turnEnd: number,
  ): NonDeterminismError | undefined {
    const history = [...recorded].sort((one, other) => one.id - other.id);
    const asked: (Partial<AskedAction> & Pick<AskedAction, "identity">)[] = [...this.#asked];
    if (completion !== undefined) asked.push({ identity: completion });
    const left: AskedAction[] = [];
    let h = 0;
    for (const each of asked) {
      const { identity } = each;
      const event = history[h];
      if (event === undefined || event.id > identity.id) {
        if (!suspended && each.withheld !== true) return diverged(event, identity, turnEnd);
        if (each.build !== undefined) left.push(each as AskedAction);
        continue;
      }
      if (event.id < identity.id) return diverged(event, undefined, turnEnd);
      if (event.kind !== identity.kind || event.name !== identity.name) return diverged(event, identity, turnEnd);
      h++;
    }
    const extra = history[h];
    if (extra !== undefined) return diverged(extra, undefined, turnEnd);
    this.#asked = left;
    return undefined;
  }
}

function diverged(
  event: RecordedAction | undefined,
  asked: ActionIdentity | undefined,
  turnEnd: number,
): NonDeterminismError {
  const sides: Divergence = {
    eventNumber: event?.eventNumber ?? turnEnd,
    recorded: event === undefined ? "nothing more in this turn" : describeAction(event),
    asked: asked === undefined ? "nothing more in this turn" : describeAction(asked),
  };
  return new NonDeterminismError(
    `the orchestrator's code does not do what its history says: at event ${sides.eventNumber} history has ${sides.recorded}, but the code asked for ${sides.asked}. Deploy the code that began this run, or guard the change with ctx.isPatched()`,
    sides,
  );
}
