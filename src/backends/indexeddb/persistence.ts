import { pause } from "./connection.ts";

/** What the browser answered: `unknown` when it did not answer, or has no such thing. */
export type Persistence = "granted" | "denied" | "unknown";

/**
 * Asks the browser not to evict this site's storage when the disk runs full. Only a page can ask. Some browsers decide by
 * themselves, others ask the person and may never answer: after `timeoutMs` the answer is `unknown`.
 */
export async function requestPersistence(timeoutMs: number = 5000): Promise<Persistence> {
  const storage = typeof navigator === "undefined" ? undefined : (navigator.storage as StorageManager | undefined);
  if (typeof storage?.persist !== "function") return "unknown";
  const asked = storage.persist().then(
    (isGranted): Persistence => (isGranted ? "granted" : "denied"),
    (): Persistence => "unknown",
  );
  return Promise.race([asked, pause(timeoutMs).then((): Persistence => "unknown")]);
}

/** Whether the browser has promised to keep this site's storage. `undefined`: it does not say. */
export async function isPersisted(): Promise<boolean | undefined> {
  const storage = typeof navigator === "undefined" ? undefined : (navigator.storage as StorageManager | undefined);
  if (typeof storage?.persisted !== "function") return undefined;
  return storage.persisted().catch(() => undefined);
}
