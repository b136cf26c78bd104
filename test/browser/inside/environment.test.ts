import { expect, it } from "vitest";
import {
  handlePush,
  hostEnvironment,
  requestBackgroundSync,
  type WakeReason,
} from "../../../src/backends/indexeddb/index.ts";
import { silentLogger } from "../../../src/core/index.ts";
import { basicRegistry, count, newHubName, openHub } from "./hubs.ts";

/** A host whose parts a test moves. */
class Host extends EventTarget {
  readonly document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  readonly navigator = {
    onLine: true,
    connection: Object.assign(new EventTarget(), { saveData: false, type: "wifi" }),
    getBattery: async () => this.battery,
  };
  readonly battery = Object.assign(new EventTarget(), { charging: true });
}

const environmentOf = (host: Host) =>
  hostEnvironment(host as unknown as NonNullable<Parameters<typeof hostEnvironment>[0]>);

it("the host wakes the hub when it is shown, comes online, comes back or thaws, and at no other time", () => {
  const host = new Host();
  const reasons: WakeReason[] = [];
  const stop = environmentOf(host).onWake((reason) => reasons.push(reason));
  host.document.visibilityState = "hidden";
  host.document.dispatchEvent(new Event("visibilitychange"));
  expect(reasons).toEqual([]);
  host.document.visibilityState = "visible";
  host.document.dispatchEvent(new Event("visibilitychange"));
  host.document.dispatchEvent(new Event("resume"));
  host.dispatchEvent(new Event("online"));
  host.dispatchEvent(new Event("offline"));
  host.dispatchEvent(new Event("pageshow"));
  host.navigator.connection.dispatchEvent(new Event("change"));
  expect(reasons).toEqual(["visible", "unfrozen", "online", "pageshow", "online"]);
  stop();
  host.dispatchEvent(new Event("online"));
  expect(reasons).toHaveLength(5);
});

it("gates see what the host tells, and what it does not tell holds nothing back", () => {
  const host = new Host();
  const environment = environmentOf(host);
  expect([environment.online(), environment.visible(), environment.metered()]).toEqual([true, true, false]);
  host.navigator.onLine = false;
  host.document.visibilityState = "hidden";
  host.navigator.connection.saveData = true;
  expect([environment.online(), environment.visible(), environment.metered()]).toEqual([false, false, true]);
  const bare = hostEnvironment({});
  expect([bare.online(), bare.visible(), bare.metered()]).toEqual([true, undefined, undefined]);
});

it("the host says whether the device is charging, once its battery has answered, and wakes the hub when that changes", async () => {
  const host = new Host();
  const environment = environmentOf(host);
  const reasons: WakeReason[] = [];
  environment.onWake((reason) => reasons.push(reason));
  expect(environment.charging()).toBeUndefined();
  await expect.poll(() => environment.charging()).toBe(true);
  host.battery.charging = false;
  host.battery.dispatchEvent(new Event("chargingchange"));
  expect(environment.charging()).toBe(false);
  expect(reasons).toEqual(["charging", "charging"]);
  const forbidden = {
    navigator: { getBattery: async () => Promise.reject(new DOMException("no", "NotAllowedError")) },
  };
  expect(environmentOf(forbidden as unknown as Host).charging()).toBeUndefined();
});

it("a push has the hub run what can go on", async () => {
  const name = newHubName();
  const client = await openHub({ name, run: false });
  const id = await client.client.scheduleNewOrchestration(count, 3);
  const promised: Promise<unknown>[] = [];
  const options = { name, registry: basicRegistry(), logger: silentLogger() };
  handlePush({ waitUntil: (promise) => void promised.push(promise) }, options);
  expect(promised).toHaveLength(1);
  await promised[0];
  expect((await client.client.fetchOrchestrationMetadata(id)).runtimeStatus).toBe("COMPLETED");
});

it("the page sleeps when it goes into the back/forward cache, not when it is left for good", () => {
  const host = new Host();
  const log: string[] = [];
  environmentOf(host).onSleep(
    () => log.push("sleep"),
    () => log.push("resume"),
  );
  const tell = (type: string, persisted: boolean) => host.dispatchEvent(new PageTransitionEvent(type, { persisted }));
  tell("pagehide", false);
  tell("pageshow", false);
  tell("pagehide", true);
  tell("pageshow", true);
  expect(log).toEqual(["sleep", "resume"]);
});

it("background sync is asked for where there is one, and the answer is no elsewhere", async () => {
  const asked: string[] = [];
  const registration = {
    sync: { register: async (tag: string) => void asked.push(tag) },
    periodicSync: { register: async () => Promise.reject(new DOMException("denied", "NotAllowedError")) },
  } as unknown as ServiceWorkerRegistration;
  expect(await requestBackgroundSync(registration, "shop")).toEqual({ sync: true, periodicSync: false });
  expect(asked).toEqual(["perdura:shop"]);
  const none = {} as unknown as ServiceWorkerRegistration;
  expect(await requestBackgroundSync(none, "shop")).toEqual({ sync: false, periodicSync: false });
});
