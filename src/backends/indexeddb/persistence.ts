import { pause } from "./connection.ts";

/** What the browser answered: `unknown` when it did not answer, or has no such thing. */
export type Persistence = "granted" | "denied" | "unknown";

/**
 * Asks the browser not to evict this site's storage when the disk runs full. Only a page can ask. Some browsers decide by
 * themselves, others ask the person and may never answer: after `timeoutMs` the answer is `unknown`.
 */
export async function requestPersistence(timeoutMs: number = 5000): Promise<Persistence> {
  const storage = storageManager();
  if (typeof storage?.persist !== "function") return "unknown";
  const asked = storage.persist().then(
    (isGranted): Persistence => (isGranted ? "granted" : "denied"),
    (): Persistence => "unknown",
  );
  return Promise.race([asked, pause(timeoutMs).then((): Persistence => "unknown")]);
}

/** How much this site stores, and how much it may, in bytes. Browsers blur both on purpose. */
export interface StorageEstimateBytes {
  readonly usage: number;
  readonly quota: number;
}

/** What the browser says of this site's storage. `undefined`: it does not say, or failed to (`estimate()` may throw). */
export async function lookAtStorage(): Promise<{
  readonly persisted: boolean | undefined;
  readonly estimate: StorageEstimateBytes | undefined;
}> {
  const storage = storageManager();
  const [persisted, estimate] = await Promise.all([
    typeof storage?.persisted === "function" ? storage.persisted().catch(() => undefined) : undefined,
    typeof storage?.estimate === "function" ? storage.estimate().catch(() => undefined) : undefined,
  ]);
  const { usage, quota } = estimate ?? {};
  return { persisted, estimate: usage === undefined || quota === undefined ? undefined : { usage, quota } };
}

/** Missing in some hosts, whatever the types say. */
function storageManager(): Partial<StorageManager> | undefined {
  return typeof navigator === "undefined" ? undefined : navigator.storage;
}
