import {
  type Appended,
  type CommittedWrite,
  type Decide,
  type DeliveryOutcome,
  type InstanceRow,
  type InstanceWrite,
  type StoredItem,
  WorkItemLockLostError,
} from "perdura";

/** All that is stored of an instance. Never changed in place, so that a draft that fails leaves no trace. */
export interface Stored {
  readonly row: InstanceRow;
  readonly segments: readonly Uint8Array[];
  readonly inbox: readonly (StoredItem & { readonly key: string | undefined })[];
  readonly outbox: readonly StoredItem[];
}

/** What the file holds. */
export interface Snapshot {
  hubExists: boolean;
  /** The latest owner's. It outlives the hub: who owned a deleted one is fenced off all the same. */
  epoch: number;
  /** The last place that an inbox item was given. */
  seq: number;
  readonly instances: Map<string, Stored>;
}

/** One instance's part of a commit. @throws {@link WorkItemLockLostError} when it was planned on another state. */
export function write(draft: Snapshot, planned: InstanceWrite): CommittedWrite {
  const { instanceId, incarnation, wipe, history, consume = [], outboxAdd = [], outboxRemove = [] } = planned;
  const current = draft.instances.get(instanceId);
  const isFree = current === undefined || current.row.summary.purged;
  const isHeld = incarnation === "" ? isFree : current?.row.incarnation === incarnation;
  if (!isHeld) throw new WorkItemLockLostError(`'${instanceId}' is not the instance any more that the write was for`);
  const row = planned.row ?? (wipe === true ? undefined : current?.row);
  if (row === undefined) {
    draft.instances.delete(instanceId);
  } else {
    const former = wipe === true ? undefined : current;
    const kept = history?.truncate === true ? [] : (former?.segments ?? []);
    const segments =
      history?.append === undefined ? kept : [...kept.slice(0, history.append.segment), history.append.bytes];
    const inbox = (former?.inbox ?? []).filter(({ seq }) => !consume.includes(seq));
    const outbox = [...(current?.outbox ?? []), ...outboxAdd].filter(({ seq }) => !outboxRemove.includes(seq));
    draft.instances.set(instanceId, { row, segments, inbox, outbox });
  }
  const inboxSeqs = (planned.inbox ?? []).map(({ key, bytes }) => enqueue(draft, instanceId, key, bytes) ?? 0);
  const deliveries = (planned.deliver ?? []).map((each) =>
    append<DeliveryOutcome>(draft, each.instanceId, each.decide),
  );
  return { deliveries, inboxSeqs };
}

/** What any client may do: create, replace or remove an instance, and add to its inbox. */
export function append<T>(draft: Snapshot, instanceId: string, decide: Decide<T>): Appended<T> {
  const { instances } = draft;
  const { row, item, reply, remove, answer } = decide(instances.get(instanceId)?.row);
  if (remove === true) instances.delete(instanceId);
  if (row !== undefined) {
    const { wipe, ...fresh } = row;
    const { segments = [], inbox = [], outbox = [] } = instances.get(instanceId) ?? {};
    instances.set(
      instanceId,
      wipe ? { row: fresh, segments: [], inbox: [], outbox } : { row: fresh, segments, inbox, outbox },
    );
  }
  const seq = item && enqueue(draft, instanceId, item.key, item.bytes);
  if (seq !== undefined) awaken(draft, instanceId, item?.visibleAt);
  const replied = reply && enqueue(draft, reply.instanceId, reply.key, reply.bytes);
  if (reply !== undefined && replied !== undefined) awaken(draft, reply.instanceId, undefined);
  return {
    instanceId,
    answer,
    created: row !== undefined || remove === true,
    ...(seq === undefined ? {} : { seq }),
    ...(reply === undefined || replied === undefined ? {} : { repliedTo: reply.instanceId }),
  };
}

/** Adds to an inbox, unless an item of that key is there or there is no such instance. */
function enqueue(draft: Snapshot, instanceId: string, key: string | undefined, bytes: Uint8Array): number | undefined {
  const stored = draft.instances.get(instanceId);
  if (stored === undefined || (key !== undefined && stored.inbox.some((item) => item.key === key))) return undefined;
  const seq = ++draft.seq;
  draft.instances.set(instanceId, { ...stored, inbox: [...stored.inbox, { seq, key, bytes }] });
  return seq;
}

/** An instance whose inbox has grown is to be looked at: now, or when the item becomes visible. */
function awaken({ instances }: Snapshot, instanceId: string, visibleAt: number | undefined): void {
  const stored = instances.get(instanceId);
  if (stored === undefined) return;
  const { row } = stored;
  const wakeAt = visibleAt === undefined ? row.wakeAt : Math.min(row.wakeAt ?? visibleAt, visibleAt);
  instances.set(instanceId, {
    ...stored,
    row: { ...row, wakeAt, unfinished: row.unfinished || visibleAt === undefined },
  });
}
