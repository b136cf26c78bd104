import type { Notices } from "./notices.ts";

/** Has the app's own service worker keep the app, so that it opens without a network. */
export async function keepApp(notices: Notices): Promise<void> {
  // A browser without service workers, or a page that is not served securely: the app works, but opens online only.
  const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  if (container === undefined) return;
  if (container.controller !== null) {
    container.addEventListener("controllerchange", () =>
      notices.say("There is a newer version of this app.", { label: "Reload", run: () => location.reload() }),
    );
  }
  const registration = await container.register("./service-worker.js", { scope: "./" });
  // Browsers look for a newer version some time after a visit, or not. Without a network the next visit asks.
  await registration.update().catch(() => undefined);
}
