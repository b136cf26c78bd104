/** The dedicated worker that runs the uploads: its timers are not held back while the page is hidden. */
import { serveTaskHub, type TaskHub } from "perdura/indexeddb";
import { HUB } from "./names.ts";
import { uploadSteps } from "./upload/steps.ts";
import { TransferClient } from "./upload/transfer-client.ts";
import { uploadRegistry } from "./upload/upload.ts";

// The activities read the hub that they run in; none of them does before it is open.
const registry = uploadRegistry(uploadSteps(async () => (await opening).blobs, new TransferClient()));

// The name of a built script changes with its code: a tab with newer code takes over from one with older.
const opening: Promise<TaskHub> = serveTaskHub({ name: HUB, registry, buildId: self.location.pathname });
const hub = await opening;

const tellRole = (): void => self.postMessage({ role: hub.status.role });
hub.events.on("role", tellRole);
tellRole();
