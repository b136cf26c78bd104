/** A change of one text in one file. */
interface Edit {
  readonly file: string;
  /** The text to be replaced; it must be in the file once. */
  readonly from: string;
  readonly to: string;
}

/** One deliberate break of a rule. */
export interface Mutation extends Edit {
  /** The rule of design.md, section 4. */
  readonly rule: number;
  /** What is broken, in words. */
  readonly what: string;
  /** A second edit, where two places keep the same promise, so that the break of one alone has no effect. */
  readonly also?: Edit;
}

/** Every rule of the design, broken in one place or more. */
export const mutations: readonly Mutation[] = [
  {
    rule: 1,
    what: "activities begin before the commit that schedules them",
    file: "src/core/partition/turns.ts",
    from: "    const done = await context.commit(live, {\n      row,",
    to: `    for (const event of state.pendingTasks) live.addTask(event.eventId, plan.segment, event);
    this.#activities().dispatchAll(live);
    const done = await context.commit(live, {\n      row,`,
  },
  {
    rule: 1,
    what: "an event is accepted before it is durable",
    file: "src/core/partition/partition.ts",
    from: "    const appended = await this.#context.append(instanceId, admitEvent(",
    to: `    if (kind === "eventRaised") {
      void this.#context.append(instanceId, admitEvent(instanceId, event, now, idempotencyKey)).catch(() => undefined);
      return;
    }
    const appended = await this.#context.append(instanceId, admitEvent(`,
  },
  {
    rule: 1,
    what: "a start is accepted before it is durable",
    file: "src/core/partition/partition.ts",
    from: "    const appended = await this.#context.append(instanceId, admitStart(start, options, now));\n    if (!appended.created) return;",
    to: `    const appending = this.#context.append(instanceId, admitStart(start, options, now));
    if (options.reusePolicy === undefined) {
      void appending
        .then((done) => this.#deliveries.noteAppended(done, clientEnvelope(instanceId, start, now)))
        .catch(() => undefined);
      return;
    }
    const appended = await appending;
    if (!appended.created) return;`,
  },
  {
    rule: 1,
    what: "a purge is acknowledged before it is durable",
    file: "src/core/partition/administration.ts",
    from: "    await live.exclusive(async () => {\n      const { record: current } = live;\n      if (live.stale || isPurged(current)) throw",
    to: "    void live.exclusive(async () => {\n      const { record: current } = live;\n      if (live.stale || isPurged(current)) throw",
  },
  {
    rule: 1,
    what: "a turn's outcome can be seen before its commit",
    file: "src/core/partition/turns.ts",
    from: "    const done = await context.commit(live, {\n      row,",
    to: `    live.record = { ...plan.record, revision: live.record.revision };
    context.ports.signals.changed(live.instanceId);
    const done = await context.commit(live, {\n      row,`,
  },
  {
    rule: 1,
    what: "a result is acknowledged before it is durable",
    file: "src/core/partition/activities.ts",
    from: "      live.staged.push({ taskId: task.id, generation: task.generation, event, resolve, reject });",
    to: `      live.staged.push({ taskId: task.id, generation: task.generation, event, resolve, reject });
      resolve();`,
  },
  {
    rule: 2,
    what: "consumed events stay in the inbox of the store",
    file: "src/core/partition/turns.ts",
    from: "      consume: [...consumed],",
    to: "      consume: [],",
  },
  {
    rule: 2,
    what: "messages are not part of the turn's commit",
    file: "src/core/partition/turns.ts",
    from: "      outboxAdd: routes.remote.map((envelope) => ({ seq: envelope.seq, bytes: marshalEnvelope(envelope) })),",
    to: "",
  },
  {
    rule: 2,
    what: "when a group commit fails, all of its members do",
    file: "src/core/partition/group-commit.ts",
    from: "      else for (const member of batch) await this.#commit([member]);",
    to: "      else for (const member of batch) member.reject(error);",
  },
  {
    rule: 3,
    what: "a turn is planned on the committed record itself",
    file: "src/core/partition/turn-plan.ts",
    from: "  const record = copyRecord(committed);",
    to: "  const record = committed;",
  },
  {
    rule: 3,
    what: "a live orchestrator outlives a turn that was not committed, and is taken for one that fits",
    file: "src/core/orchestration/in-process-executor.ts",
    from: "cached.seenEvents === oldEvents.length;",
    to: "cached.seenEvents >= oldEvents.length;",
    // Either of the two would do alone.
    also: {
      file: "src/core/hub/orchestration-worker.ts",
      from: "    this.#executor.release(item.instanceId);\n    await this.#backend.abandon",
      to: "    await this.#backend.abandon",
    },
  },
  {
    rule: 3,
    what: "an instance whose commit failed stays in memory",
    file: "src/core/partition/partition-context.ts",
    from: "    if (this.table.peek(instanceId) === live) this.table.forget(instanceId, error);\n",
    to: "",
  },
  {
    rule: 4,
    what: "the store does not look at the epoch",
    file: "src/backends/memory/store.ts",
    from: "    else if (batch.epoch < this.#latestEpoch) {",
    to: "    else if (batch.epoch < 0) {",
  },
  {
    rule: 4,
    what: "a write does not say on which revision it was planned",
    file: "src/core/partition/record.ts",
    from: "  return revision === 0 ?",
    to: "  return revision >= 0 ?",
  },
  {
    rule: 5,
    what: "a second result of the same work has an effect",
    file: "src/core/history/dedup.ts",
    from: "    if (key.id < this.#nextId && !this.#pending.has(text)) return false;",
    to: "",
  },
  {
    rule: 5,
    what: "a message that comes twice has an effect twice",
    file: "src/core/partition/admission.ts",
    from: 'if (hasReceipt(current, envelope)) return accepted(undefined, "");',
    to: "",
  },
  {
    rule: 5,
    what: "messages of one sender come in any order",
    file: "src/core/partition/deliveries.ts",
    from: "        const batch = live.outbox.filter(({ envelope }) => envelope.targetInstanceId === target);",
    to: "        const batch = live.outbox.filter(({ envelope }) => envelope.targetInstanceId === target).reverse();",
  },
  {
    rule: 5,
    what: "a late result of a former generation counts",
    file: "src/core/partition/turn-selection.ts",
    from: "  if (generation !== undefined && generation !== record.generation) return false;",
    to: "  if (generation !== undefined && generation > record.generation) return false;",
  },
  {
    rule: 5,
    what: "idempotency keys are forgotten",
    file: "src/core/partition/turn-plan.ts",
    from: "    if (envelope.idempotencyKey !== undefined) record.eventKeys.push(envelope.idempotencyKey);",
    to: "",
  },
  {
    rule: 5,
    what: "the acknowledgement of a delivery is believed before it has come",
    file: "src/core/partition/deliveries.ts",
    from: "        const outcomes = await this.#context.ports.router.deliver(",
    to: `        void this.#acknowledge(live, batch, batch.map(() => ({ status: "accepted" }) as const)).catch(() => undefined);
        const outcomes = await this.#context.ports.router.deliver(`,
  },
  {
    rule: 6,
    what: "a replay does not settle after each event",
    file: "src/core/orchestration/live-orchestrator.ts",
    from: "        // Only what moved code needs a hop: a replay of events that nobody awaits costs none.\n        if (this.#isMoving) await this.#rest(signal);",
    to: "",
  },
  {
    rule: 6,
    what: "the cache of live orchestrators has no bound",
    file: "src/core/orchestration/live-cache.ts",
    from: "      if (this.#entries.size <= this.#size) return;",
    to: "      if (this.#size > 0 || this.#entries.size === 0) return;",
  },
  {
    rule: 6,
    what: "instances in memory have no bound",
    file: "src/core/partition/instance-table.ts",
    from: "    if (this.#live.size <= this.#limit) return;\n    for",
    to: "    if (this.#live.size >= 0) return;\n    for",
  },
  {
    rule: 6,
    what: "the history is read in every turn",
    file: "src/core/orchestration/in-process-executor.ts",
    from: "    const live = fits ? cached.live : await this.#coldStart(turn);",
    to: "    const live = fits && turn.oldEvents.length < 0 ? cached.live : await this.#coldStart(turn);",
  },
  {
    rule: 7,
    what: "a replay that diverges goes on",
    file: "src/core/orchestration/live-orchestrator.ts",
    from: "    if (error !== undefined) {\n      this.#ending = undefined;",
    to: "    if (error !== undefined && turnEnd < 0) {\n      this.#ending = undefined;",
  },
  {
    rule: 7,
    what: "a foreign await hangs the run",
    file: "src/core/orchestration/live-orchestrator.ts",
    from: "this.#ending === undefined && !this.#scope.isWaiting) this.diverge(foreignAwait());",
    to: "this.#ending === undefined && !this.#scope.isWaiting && this.#turn < 0) this.diverge(foreignAwait());",
  },
  {
    rule: 8,
    what: "deaths are not counted",
    file: "src/core/partition/partition.ts",
    from: "      record.deaths++;",
    to: "",
  },
  {
    rule: 8,
    what: "a tight continue-as-new loop stays in one turn",
    file: "src/core/hub/orchestration-worker.ts",
    from: "      if (rounds >= MAX_CONTINUE_AS_NEW_PER_TURN) {",
    to: "      if (rounds >= Number.MAX_SAFE_INTEGER) {",
  },
  {
    rule: 8,
    what: "a damaged target makes its sender's commit fail",
    file: "src/core/partition/admission.ts",
    from: "dropped((error as Error).message)",
    to: "((): never => { throw error; })()",
  },
  {
    rule: 8,
    what: "an oversized payload is stored",
    file: "src/core/limits.ts",
    from: "  if (bytes > limit) throw new PayloadTooLargeError(what, bytes, limit);",
    to: "  if (bytes < 0) throw new PayloadTooLargeError(what, bytes, limit);",
  },
  {
    rule: 9,
    what: "a name that no worker has fails the run",
    file: "src/core/orchestration/in-process-executor.ts",
    from: '    this.#unregistered = options.unregistered ?? "park";',
    to: '    this.#unregistered = options.unregistered ?? "fail";',
  },
  {
    rule: 9,
    what: "turn time follows the clock back",
    file: "src/core/hub/orchestration-worker.ts",
    from: "    return Math.max((this.#options.now ?? Date.now)(), state.lastTurnTimeMs);",
    to: "    return (this.#options.now ?? Date.now)();",
  },
  {
    rule: 9,
    what: "fields of a newer release are dropped",
    file: "src/core/protocol/marshal.ts",
    from: "    return fromBinary(schema, bytes, { recursionLimit: RECURSION_LIMIT });",
    to: "    return fromBinary(schema, bytes, { recursionLimit: RECURSION_LIMIT, readUnknownFields: false });",
  },
  {
    rule: 10,
    what: "metadata does not tell of event waits",
    file: "src/core/partition/turn-plan.ts",
    from: "  if (state.eventWaits === undefined) return;",
    to: "  if (state.eventWaits === undefined || state.eventWaits.length > 0) return;",
  },
  {
    rule: 10,
    what: "metadata does not tell of children",
    file: "src/core/partition/metadata-of.ts",
    from: "    children: record.children.map(",
    to: "    children: record.children.slice(record.children.length).map(",
  },
  {
    rule: 10,
    what: "damaged bytes give an error without a type",
    file: "src/core/protocol/marshal.ts",
    from: "    throw new HistoryDecodeError(\n",
    to: "    throw new RangeError(\n",
  },
];
