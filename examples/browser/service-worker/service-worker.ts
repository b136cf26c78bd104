/** Keeps the built app, so that it opens without a network. It serves nothing but the app's own files; the Worker's routes pass. */

declare const self: ServiceWorkerGlobalScope;

/** The app's files, relative to this script. The build fills this in, and so makes each version another script. */
const BUILT: { readonly version: string; readonly files: readonly string[] } = JSON.parse("__BUILT__");

/** One cache a version. */
const PREFIX = "perdura-browser-example:";
const NAME = `${PREFIX}${BUILT.version}`;

self.addEventListener("install", (event) => {
  const fill = async (): Promise<void> => {
    const cache = await caches.open(NAME);
    await cache.addAll(BUILT.files.map((path) => new Request(path, { cache: "reload" })));
    // Pages load all that they need at once, so that one with older code needs its cache no more.
    await self.skipWaiting();
  };
  event.waitUntil(fill());
});

self.addEventListener("activate", (event) => {
  const tidy = async (): Promise<void> => {
    const old = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== NAME);
    await Promise.all(old.map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(tidy());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(self.registration.scope)) return;
  const answer = async (): Promise<Response> => {
    const cache = await caches.open(NAME);
    const key = request.mode === "navigate" ? "./" : request;
    return (await cache.match(key, { ignoreSearch: true })) ?? fetch(request);
  };
  event.respondWith(answer());
});
