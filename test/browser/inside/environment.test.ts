import { expect, it } from "vitest";
import { hostEnvironment, requestBackgroundSync, type WakeReason } from "../../../src/backends/indexeddb/index.ts";

/** A host whose parts a test moves. */
class Host extends EventTarget {
  readonly document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  readonly navigator = {
    onLine: true,
    connection: Object.assign(new EventTarget(), { saveData: false, type: "wifi" }),
  };
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
