/**
 * Remembers outside IndexedDB that a hub's database was here, so that its absence can be told from a first visit. A browser
 * that clears everything of a site clears this too: then nobody can tell.
 */
export interface Marker {
  read(): Promise<string | undefined>;
  write(databaseId: string): Promise<void>;
}

/** A marker in localStorage, or in the Cache API where there is none (workers). */
export function newMarker(name: string): Marker {
  return "localStorage" in globalThis ? localMarker(name) : cacheMarker(name);
}

function localMarker(name: string): Marker {
  return {
    // Reading the very property throws where a page may not store anything.
    read: async () => attempt(async () => localStorage.getItem(name) ?? undefined),
    write: async (databaseId) => {
      await attempt(async () => localStorage.setItem(name, databaseId));
    },
  };
}

function cacheMarker(name: string): Marker {
  const url = `/${encodeURIComponent(name)}`;
  const isThere = "caches" in globalThis;
  return {
    read: async () =>
      attempt(async () => (isThere ? (await (await caches.open("perdura")).match(url))?.text() : undefined)),
    write: async (databaseId) => {
      await attempt(async () =>
        isThere ? (await caches.open("perdura")).put(url, new Response(databaseId)) : undefined,
      );
    },
  };
}

/** A host without the marker's place is one where losses go unnoticed, no more. */
async function attempt<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch {
    return undefined;
  }
}
