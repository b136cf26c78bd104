import { AbortedError, StorageError } from "../../core/errors.ts";
import { standsInTheWay } from "../../core/partition/index-entry.ts";
import { LocalSignals } from "../../core/partition/local-signals.ts";
import type { DeliveryOutcome, Index, Ownership, Router } from "../../core/partition/ports.ts";
import type { Envelope, IndexEntry } from "../../core/protocol/gen/perdura/model/v1/store_pb.ts";
import { Disk } from "./disk.ts";
import { Host } from "./host.ts";
import { Violation } from "./violation.ts";
import { World } from "./world.ts";

/** How long an object with unfinished work stays dead at most, in ms: its standing alarm brings it back. */
const WATCHDOG_MS = 30_000;

/** One object for each instance, each with a disk of its own; messages between them, and an index of all. */
export class ObjectsWorld extends World {
  readonly #disks = new Map<string, Disk>();
  readonly #objects = new Map<string, Host>();
  readonly #delivered = new Set<string>();
  readonly #index = new Map<string, IndexEntry>();
  #booted = 0;

  get hosts(): readonly Host[] {
    return [...this.#objects.values()];
  }

  get disks(): readonly Disk[] {
    return [...this.#disks.values()];
  }

  diskOf(instanceId: string): Disk | undefined {
    return this.#disks.get(instanceId);
  }

  open(): void {}

  hostFor(instanceId: string): Host {
    const running = this.#objects.get(instanceId);
    if (running !== undefined) return running;
    let disk = this.#disks.get(instanceId);
    if (disk === undefined) {
      disk = new Disk(this.watch((envelope) => this.#delivered.has(keyOf(envelope))));
      void disk.store.createHub();
      this.#disks.set(instanceId, disk);
    }
    const own = disk;
    const object = new Host(`${instanceId}@${++this.#booted}`, disk, this, (host) => ({
      ownership: ownershipOf(host),
      signals: new LocalSignals(),
      router: this.#routerOf(host, instanceId),
      index: this.#indexOf(host, own),
    }));
    this.#objects.set(instanceId, object);
    object.boot();
    return object;
  }

  crash(host: Host): void {
    if (host.state === "dead") return;
    this.trace.add(`      ${host.name} crashes`);
    host.die();
    const [instanceId] = [...this.#objects].find(([, object]) => object === host) ?? [];
    if (instanceId === undefined) return;
    this.#objects.delete(instanceId);
    this.loop.post(undefined, `looks at the alarm of '${instanceId}'`, () => this.#setAlarm(instanceId));
  }

  /** The alarm is durable: it brings the object back when something is due or unfinished. */
  #setAlarm(instanceId: string): void {
    const row = this.#disks.get(instanceId)?.view(instanceId)?.row;
    if (row === undefined) return;
    const delays: number[] = [];
    if (row.unfinished) delays.push(this.faults.random.int(0, WATCHDOG_MS));
    if (row.wakeAt !== undefined) delays.push(Math.max(0, row.wakeAt - this.loop.nowMs));
    if (delays.length === 0) return;
    this.loop.after(
      undefined,
      Math.min(...delays),
      `fires the alarm of '${instanceId}'`,
      () => void this.hostFor(instanceId),
    );
  }

  #routerOf(host: Host, self: string): Router {
    return {
      isLocal: (instanceId) => instanceId === self,
      deliver: (target, envelopes) =>
        new Promise((resolve, reject) => {
          if (host.state === "dead") return;
          this.#checkRecorded(host, self, envelopes);
          const words = `${envelopes.length} message(s) from '${self}' to '${target}'`;
          this.loop.post(undefined, `carries ${words}`, () => {
            if (this.faults.happens("envelopes are lost")) {
              this.loop.post(host, `gives up on ${words}`, () => reject(new AbortedError("the message was lost")));
              return;
            }
            void this.#hand(target, envelopes).then((outcomes) => {
              if (this.faults.happens("envelopes come twice")) {
                this.loop.post(undefined, `carries ${words} again`, () => void this.#hand(target, envelopes));
              }
              if (outcomes === undefined || this.faults.happens("acknowledgement is lost")) {
                this.loop.post(host, `never hears of ${words}`, () =>
                  reject(new StorageError("no acknowledgement came")),
                );
              } else this.loop.post(host, `hears that ${words} arrived`, () => resolve(outcomes));
            });
          });
        }),
    };
  }

  async #hand(target: string, envelopes: readonly Envelope[]): Promise<readonly DeliveryOutcome[] | undefined> {
    const object = this.hostFor(target);
    const answer = await object.call(() => object.receive(envelopes));
    if (answer === "unknown" || "error" in answer) return undefined;
    answer.value.forEach((_outcome, index) => {
      const envelope = envelopes[index];
      if (envelope !== undefined) this.#delivered.add(keyOf(envelope));
    });
    return answer.value;
  }

  /** What leaves an object is in its durable outbox. */
  #checkRecorded({ disk }: Host, self: string, envelopes: readonly Envelope[]): void {
    if (disk.damaged.has(self)) return;
    for (const envelope of envelopes) {
      const isStored = disk.view(self)?.outbox.has(envelope.seq) === true || this.#delivered.has(keyOf(envelope));
      if (!isStored)
        this.report(
          new Violation("nothing leaves before its commit", `message ${envelope.seq} of '${self}' is not durable`),
        );
    }
  }

  #indexOf(host: Host, disk: Disk): Index {
    return {
      publish: (entry) =>
        new Promise((resolve, reject) => {
          if (host.state === "dead") return;
          const durable = disk.view(entry.instanceId)?.record;
          if (!disk.damaged.has(entry.instanceId) && durable !== undefined && entry.version > durable.indexVersion) {
            this.report(
              new Violation("nothing leaves before its commit", `the index hears of '${entry.instanceId}' too early`),
            );
          }
          const fail = (): void =>
            this.loop.post(host, "hears that the index failed", () => reject(new StorageError("the index failed")));
          this.loop.post(undefined, `tells the index of '${entry.instanceId}'`, () => {
            if (this.faults.happens("index fails before it takes effect")) return fail();
            const known = this.#index.get(entry.instanceId);
            if (known === undefined || known.version < entry.version) this.#index.set(entry.instanceId, entry);
            if (this.faults.happens("index fails after it took effect")) return fail();
            const inTheWay = standsInTheWay(this.#index.get(entry.instanceId) ?? entry, entry);
            const words = inTheWay === undefined ? "the index knows" : "another entry stands in the way";
            this.loop.post(host, `hears that ${words}`, () => resolve(inTheWay));
          });
        }),
    };
  }

  protected ownChaos(): void {}

  /** The index tells of each instance what its own disk does. */
  checkEnd(): void {
    const complain = (words: string): void => this.report(new Violation("the index converges", words));
    for (const [instanceId, disk] of this.#disks) {
      if (disk.damaged.has(instanceId)) continue;
      const entry = this.#index.get(instanceId);
      const record = disk.view(instanceId)?.record;
      if (record === undefined) {
        if (entry?.deleted === false) complain(`the index still lists '${instanceId}', which is gone`);
      } else if (entry === undefined) complain(`the index does not know '${instanceId}'`);
      else if (entry.deleted || entry.status !== record.status || entry.name !== record.name) {
        complain(
          `the index has '${instanceId}' as ${entry.deleted ? "deleted" : entry.status}, but it is ${record.status}`,
        );
      }
    }
  }
}

function ownershipOf(host: Host): Ownership {
  return {
    acquire: () =>
      new Promise((resolve) => {
        if (host.state === "dead") return;
        const epoch = host.disk.grant(host.name);
        const lost = new AbortController().signal;
        host.world.loop.post(host, "starts", () => resolve({ epoch, lost, release: async () => undefined }));
      }),
  };
}

function keyOf(envelope: Envelope): string {
  return `${envelope.sourceInstanceId}/${envelope.sourceExecutionId}/${envelope.seq}`;
}
