import { LocalRouter } from "../../backends/memory/router.ts";
import { StorageError } from "../../core/errors.ts";
import { LocalSignals } from "../../core/partition/local-signals.ts";
import type { Ownership, Signals, Tenure } from "../../core/partition/ports.ts";
import { Disk } from "./disk.ts";
import { Host } from "./host.ts";
import type { Plan } from "./plan.ts";
import { World, type WorldOptions } from "./world.ts";

interface Claim {
  readonly host: Host;
  readonly resolve: (tenure: Tenure) => void;
}

/** Several tabs and one store. One tab at a time owns it; a frozen owner loses it, and may learn of that late. */
export class TabsWorld extends World {
  readonly #disk: Disk;
  #tabs: Host[] = [];
  #signals = new Map<Host, LocalSignals>();
  #claims: Claim[] = [];
  #holder: { readonly host: Host; readonly lost: AbortController } | undefined;
  #opened = 0;

  constructor(plan: Plan, options: WorldOptions) {
    super(plan, options);
    this.#disk = new Disk(this.watch(() => true));
  }

  get hosts(): readonly Host[] {
    return this.#tabs;
  }

  get disks(): readonly Disk[] {
    return [this.#disk];
  }

  diskOf(): Disk {
    return this.#disk;
  }

  hostFor(): Host | undefined {
    const awake = this.#tabs.filter(({ state }) => state === "running");
    return awake.length === 0 ? undefined : this.faults.random.pick(awake);
  }

  open(): void {
    for (let n = 0; n < this.plan.tabs; n++) this.#openTab();
  }

  crash(host: Host): void {
    if (host.state === "dead") return;
    this.trace.add(`      ${host.name} crashes`);
    host.die();
    this.#tabs = this.#tabs.filter((tab) => tab !== host);
    this.#signals.delete(host);
    this.#claims = this.#claims.filter((claim) => claim.host !== host);
    if (this.#holder?.host === host) {
      this.#holder = undefined;
      this.#grant();
    }
    this.loop.after(undefined, this.faults.random.int(0, 3000), "opens another tab", () => this.#openTab());
  }

  #openTab(): void {
    if (this.#tabs.length >= this.plan.tabs) return;
    const tab = new Host(`tab${++this.#opened}`, this.#disk, this, (host) => ({
      ownership: this.#ownershipOf(host),
      signals: this.#signalsOf(host),
      router: new LocalRouter(),
    }));
    this.#tabs.push(tab);
    tab.boot();
  }

  #ownershipOf(host: Host): Ownership {
    return {
      acquire: () =>
        new Promise((resolve, reject) => {
          if (this.faults.happens("ownership cannot be taken")) {
            this.loop.post(host, "cannot ask for ownership", () =>
              reject(new StorageError("the lock manager is gone")),
            );
            return;
          }
          this.#claims.push({ host, resolve });
          this.#grant();
        }),
    };
  }

  #grant(): void {
    if (this.#holder !== undefined) return;
    const claim = this.#claims.shift();
    if (claim === undefined) return;
    const { host, resolve } = claim;
    const lost = new AbortController();
    const holder = { host, lost };
    this.#holder = holder;
    const epoch = this.#disk.grant(host.name);
    const release = async (): Promise<void> => {
      if (this.#holder !== holder) return;
      this.#holder = undefined;
      this.#grant();
    };
    this.loop.post(host, `becomes the owner, epoch ${epoch}`, () => resolve({ epoch, lost: lost.signal, release }));
  }

  protected ownChaos(): void {
    const holder = this.#holder;
    if (holder?.host.state !== "frozen" || this.#claims.length === 0 || !this.faults.random.chance(0.05)) return;
    this.trace.add(`      ownership is taken from ${holder.host.name}`);
    this.#holder = undefined;
    this.loop.post(holder.host, "learns that it is no longer the owner", () => holder.lost.abort());
    this.#grant();
  }

  #signalsOf(host: Host): Signals {
    const own = new LocalSignals();
    this.#signals.set(host, own);
    const tell = (what: string, run: (signals: LocalSignals) => void): void => {
      if (host.state === "dead") return;
      for (const [other, signals] of this.#signals) {
        if (other === host || this.faults.happens("signal is lost")) continue;
        this.loop.post(other, `hears that ${what}`, () => run(signals));
        if (this.faults.happens("signal comes twice"))
          this.loop.post(other, `hears again that ${what}`, () => run(signals));
      }
    };
    return {
      mayLose: true,
      appended: (id, replaced) => tell(`'${id}' has mail`, (signals) => signals.appended(id, replaced)),
      onAppended: (listener) => own.onAppended(listener),
      changed: (id) => {
        own.changed(id);
        tell(`'${id}' has changed`, (signals) => signals.changed(id));
      },
      onChanged: (listener) => own.onChanged(listener),
    };
  }

  checkEnd(): void {}
}
