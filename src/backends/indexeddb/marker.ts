/**
 * Remembers outside IndexedDB that a hub's database was here, so that its absence can be told from a first visit. A browser
 * that clears everything of a site clears this too: then nobody can tell.
 */
export interface Marker {
  /** What was last written. `undefined`: nothing, or nothing that can be read. */
  read(): Promise<Marked | undefined>;
  write(marked: Marked): Promise<void>;
}

/** What the marker remembers. */
export interface Marked {
  readonly databaseId: string;
  /** How many instances were unfinished at the last count. Absent: nobody has counted. */
  readonly unfinished?: number | undefined;
}

/** A marker in localStorage, or in the Cache API where there is none (workers). */
export function newMarker(name: string): Marker {
  return "localStorage" in globalThis ? localMarker(name) : cacheMarker(name);
}

function localMarker(name: string): Marker {
  return {
    // Reading the very property throws where a page may not store anything.
    read: async () => attempt(async () => parse(localStorage.getItem(name))),
    write: async (marked) => {
      await attempt(async () => localStorage.setItem(name, JSON.stringify(marked)));
    },
  };
}

function cacheMarker(name: string): Marker {
  const url = `/${encodeURIComponent(name)}`;
  const isThere = "caches" in globalThis;
  return {
    read: async () =>
      attempt(async () =>
        isThere ? parse(await (await (await caches.open("perdura")).match(url))?.text()) : undefined,
      ),
    write: async (marked) => {
      await attempt(async () =>
        isThere ? (await caches.open("perdura")).put(url, new Response(JSON.stringify(marked))) : undefined,
      );
    },
  };
}

/** A former version wrote the id alone. */
function parse(text: string | null | undefined): Marked | undefined {
  if (text === null || text === undefined || text === "") return undefined;
  if (!text.startsWith("{")) return { databaseId: text };
  const { databaseId, unfinished } = JSON.parse(text) as Readonly<Record<string, unknown>>;
  // What somebody else has scribbled on says nothing, least of all that something was lost.
  if (typeof databaseId !== "string" || databaseId === "") return undefined;
  return { databaseId, unfinished: Number.isSafeInteger(unfinished) ? Number(unfinished) : undefined };
}

/** A host without the marker's place is one where losses go unnoticed, no more. */
async function attempt<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch {
    return undefined;
  }
}
