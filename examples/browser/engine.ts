/** The dedicated worker that runs the uploads: its timers are not held back while the page is hidden. */
import { serveTaskHub } from "perdura/indexeddb";
import { IndexedDbFileStore } from "./files/indexeddb-file-store.ts";
import { FILES, HUB } from "./names.ts";
import { uploadSteps } from "./upload/steps.ts";
import { TransferClient } from "./upload/transfer-client.ts";
import { uploadRegistry } from "./upload/upload.ts";

const registry = uploadRegistry(uploadSteps(new IndexedDbFileStore(FILES), new TransferClient()));

// The name of a built script changes with its code: a tab with newer code takes over from one with older.
const hub = await serveTaskHub({ name: HUB, registry, buildId: self.location.pathname });

const tellRole = (): void => self.postMessage({ role: hub.status.role });
hub.events.on("role", tellRole);
tellRole();
